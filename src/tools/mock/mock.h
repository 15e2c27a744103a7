/* mock.h - the simulator as a whole: one process, one event base, everything it owns. */
#ifndef AG_MOCK_MOCK_H
#define AG_MOCK_MOCK_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "tools/mock/answer.h"
#include "tools/mock/format.h"
#include "tools/mock/script.h"
#include "tools/mock/tally.h"

#define MOCK_READY 9

/* Fast mode: answers of a format, made once. [0] no stream, [1] stream, [2] stream with usage. */
struct mock_ready {
	const struct mock_format *format;
	struct mock_answer answer[3];
};

struct mock {
	struct event_base *base; /* owned */
	SSL_CTX *tls;            /* owned; NULL: plain */
	const char *key;         /* borrowed: argv; the credential to demand, NULL: any */
	const char *
		aws_secret; /* borrowed: argv; signatures are checked by it, NULL: their form alone */
	bool is_strict, is_pedantic, is_fast, is_accept_paused;
	int listen_fd; /* owned */
	struct event on_accept;
	struct ag_list conns;
	uint64_t serial;
	struct mock_do defaults; /* of the command line; texts borrowed: argv */
	struct mock_script script;
	struct mock_tally tally;
	struct mock_ready ready[MOCK_READY];
};

#endif
