/* aigate-mock: a provider that does as it is told. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/fd.h"
#include "tools/mock/conn.h"
#include "tools/mock/mock.h"
#include "tools/mock/serve.h"

#define BACKLOG 4096
#define ACCEPTS_A_TURN 64
#define FAST_BODY_BYTES 700
#define FAST_CHUNKS 50

struct options {
	const char *listen, *port_file, *cert, *key_file, *what, *body_bytes, *chunks;
	bool is_strict, is_lenient, watches_stdin;
};

static void
usage(FILE *to)
{
	fputs("usage: aigate-mock [--listen ADDRESS:PORT] [--port-file FILE] [--key KEY]\n"
	      "                   [--aws-secret SECRET] [--tls-cert FILE --tls-key FILE]\n"
	      "                   [--strict | --lenient] [--pedantic]\n"
	      "                   [--do KEYS] [--watch-stdin]\n"
	      "                   [--fast [--body-bytes N] [--chunks N]]\n",
	      to);
}

static int
parse_options(int argc, char **argv, struct mock *m, struct options *o)
{
	static const struct option longs[] = {
		{"listen", required_argument, NULL, 'l'},
		{"port-file", required_argument, NULL, 'p'},
		{"tls-cert", required_argument, NULL, 'c'},
		{"tls-key", required_argument, NULL, 'k'},
		{"key", required_argument, NULL, 'K'},
		{"do", required_argument, NULL, 'd'},
		{"body-bytes", required_argument, NULL, 'b'},
		{"chunks", required_argument, NULL, 'n'},
		{"strict", no_argument, NULL, 's'},
		{"lenient", no_argument, NULL, 'L'},
		{"pedantic", no_argument, NULL, 'P'},
		{"aws-secret", required_argument, NULL, 'A'},
		{"fast", no_argument, NULL, 'f'},
		{"watch-stdin", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char **text[128] = {
		['l'] = &o->listen,     ['p'] = &o->port_file, ['c'] = &o->cert,
		['k'] = &o->key_file,   ['K'] = &m->key,       ['d'] = &o->what,
		['b'] = &o->body_bytes, ['n'] = &o->chunks,    ['A'] = &m->aws_secret};
	bool *flag[128] = {['s'] = &o->is_strict,
			   ['L'] = &o->is_lenient,
			   ['P'] = &m->is_pedantic,
			   ['f'] = &m->is_fast,
			   ['w'] = &o->watches_stdin};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(0);
		}
		if (c < 0 || c >= 128 || (!text[c] && !flag[c]))
			return -EINVAL;
		if (text[c])
			*text[c] = optarg;
		else
			*flag[c] = true;
	}
	return optind == argc && !o->cert == !o->key_file ? 0 : -EINVAL;
}

/* Only what changes the ready answers or their pace means anything in fast mode. */
static int
check_fast(const struct mock_do *d, struct ag_err *err)
{
	const uint64_t known =
		UINT64_C(1) << MOCK_KEY_BODY_BYTES | UINT64_C(1) << MOCK_KEY_CHUNKS |
		UINT64_C(1) << MOCK_KEY_TOKENS | UINT64_C(1) << MOCK_KEY_PROMPT_TOKENS |
		UINT64_C(1) << MOCK_KEY_CACHED_TOKENS | UINT64_C(1) << MOCK_KEY_REASONING_TOKENS |
		UINT64_C(1) << MOCK_KEY_DELAY_MS | UINT64_C(1) << MOCK_KEY_CHUNK_DELAY_MS |
		UINT64_C(1) << MOCK_KEY_CHUNKED;

	if (d->is_set & ~known)
		return ag_err_set(err, -EINVAL, "--do has a key that does nothing in fast mode");
	return 0;
}

static int
set_defaults(struct mock *m, const struct options *o, struct ag_err *err)
{
	char words[96];
	int rc = mock_do_parse(ag_str(o->what), &m->defaults, err);

	if (rc < 0)
		return rc;
	if ((o->body_bytes || o->chunks) && !m->is_fast)
		return ag_err_set(err, -EINVAL, "--body-bytes and --chunks need --fast");
	m->is_strict = o->is_strict || (!m->is_fast && !o->is_lenient);
	if (!m->is_fast)
		return 0;
	snprintf(words, sizeof(words), "body_bytes=%.20s chunks=%.20s",
		 o->body_bytes ? o->body_bytes : "700", o->chunks ? o->chunks : "50");
	rc = mock_do_parse(ag_str(words), &m->defaults, err);
	return rc < 0 ? rc : check_fast(&m->defaults, err);
}

static int
alpn_on_select(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
	       unsigned in_n, void *arg)
{
	static const unsigned char http11[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_n, http11, 9, in, in_n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int
open_tls(struct mock *m, const struct options *o, struct ag_err *err)
{
	if (!o->cert)
		return 0;
	m->tls = SSL_CTX_new(TLS_server_method());
	if (!m->tls)
		return ag_err_set(err, -ENOMEM, "could not set up TLS");
	SSL_CTX_set_min_proto_version(m->tls, TLS1_2_VERSION);
	SSL_CTX_set_alpn_select_cb(m->tls, alpn_on_select, NULL);
	if (SSL_CTX_use_certificate_chain_file(m->tls, o->cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(m->tls, o->key_file, SSL_FILETYPE_PEM) != 1)
		return ag_err_set(err, -EINVAL,
				  "could not load certificate \"%s\" with key \"%s\": %s", o->cert,
				  o->key_file, ERR_reason_error_string(ERR_peek_error()));
	return 0;
}

static int
open_listener(struct mock *m, const char *where, struct ag_err *err)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(where, ':');
	struct addrinfo *ai = NULL;
	char host[128];
	int one = 1, rc;

	if (!colon || !ag_str_copy(ag_str_n(where, (size_t)(colon - where)), host, sizeof(host)))
		return ag_err_set(err, -EINVAL, "\"%s\" is not ADDRESS:PORT", where);
	rc = getaddrinfo(host, colon + 1, &hints, &ai);
	if (rc != 0)
		return ag_err_set(err, -EINVAL, "\"%s\" is not ADDRESS:PORT: %s", where,
				  gai_strerror(rc));
	m->listen_fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = 0;
	if (m->listen_fd < 0 ||
	    setsockopt(m->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(m->listen_fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    listen(m->listen_fd, BACKLOG) < 0)
		rc = ag_err_set(err, -errno, "could not listen on \"%s\": %s", where,
				strerror(errno));
	freeaddrinfo(ai);
	return rc;
}

static int
announce(struct mock *m, const struct options *o, struct ag_err *err)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	char host[NI_MAXHOST], port[NI_MAXSERV], line[NI_MAXSERV + 2];
	AG_AUTO(ag_fd) int fd = -1;
	int len;

	if (getsockname(m->listen_fd, (struct sockaddr *)&sa, &n) < 0 ||
	    getnameinfo((struct sockaddr *)&sa, n, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return ag_err_set(err, -EINVAL, "could not read the port back");
	if (o->port_file) {
		fd = open(o->port_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		len = snprintf(line, sizeof(line), "%s\n", port);
		if (fd < 0 || ag_fd_write_all(fd, line, (size_t)len) < 0)
			return ag_err_set(err, -errno, "could not write \"%s\": %s", o->port_file,
					  strerror(errno));
	}
	printf("listening on %s:%s\n", host, port);
	fflush(stdout);
	return 0;
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct mock *m = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			mock_conn_new(m, fd);
			continue;
		}
		/* Out of descriptors: the next connection to close opens the door again. */
		if ((errno == EMFILE || errno == ENFILE) && !ag_list_is_empty(&m->conns)) {
			m->is_accept_paused = true;
			event_del(&m->on_accept);
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(arg);
}

static void
on_stdin(evutil_socket_t fd, short what, void *arg)
{
	char tmp[256];

	(void)what;
	if (read(fd, tmp, sizeof(tmp)) <= 0)
		event_base_loopbreak(arg);
}

static int
run(struct mock *m, const struct options *o, struct ag_err *err)
{
	struct event *term = evsignal_new(m->base, SIGTERM, on_signal, m->base);
	struct event *intr = evsignal_new(m->base, SIGINT, on_signal, m->base);
	struct event *in = o->watches_stdin
				   ? event_new(m->base, 0, EV_READ | EV_PERSIST, on_stdin, m->base)
				   : NULL;
	int rc;

	event_assign(&m->on_accept, m->base, m->listen_fd, EV_READ | EV_PERSIST, on_accept, m);
	if (!term || !intr || event_add(term, NULL) < 0 || event_add(intr, NULL) < 0 ||
	    (in && event_add(in, NULL) < 0) || event_add(&m->on_accept, NULL) < 0)
		rc = ag_err_set(err, -ENOMEM, "could not set up events");
	else
		rc = announce(m, o, err);
	if (rc == 0 && event_base_dispatch(m->base) < 0)
		rc = ag_err_set(err, -EIO, "the event loop failed");
	event_del(&m->on_accept);
	if (in)
		event_free(in);
	if (intr)
		event_free(intr);
	if (term)
		event_free(term);
	return rc;
}

static int
mock_open(struct mock *m, const struct options *o, struct ag_err *err)
{
	struct rlimit files;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	m->base = event_base_new();
	if (!m->base || mock_tally_init(&m->tally, !m->is_fast) < 0)
		return ag_err_set(err, -ENOMEM, "could not allocate memory");
	if ((rc = set_defaults(m, o, err)) < 0 || (rc = open_tls(m, o, err)) < 0 ||
	    (m->is_fast && (rc = mock_serve_prepare(m, err)) < 0))
		return rc;
	return open_listener(m, o->listen, err);
}

static void
mock_close(struct mock *m)
{
	AG_LIST_FOREACH_SAFE (it, next, &m->conns)
		mock_conn_free(AG_LIST_ENTRY(it, struct mock_conn, node));
	ag_fd_close(&m->listen_fd);
	mock_script_clear(&m->script);
	mock_tally_fini(&m->tally);
	for (size_t i = 0; i < MOCK_READY; i++)
		for (size_t k = 0; k < AG_ARRAY_LEN(m->ready[i].answer); k++)
			mock_answer_fini(&m->ready[i].answer[k]);
	SSL_CTX_free(m->tls);
	if (m->base)
		event_base_free(m->base);
}

int
main(int argc, char **argv)
{
	static struct mock m = {.listen_fd = -1};
	struct options o = {.listen = "127.0.0.1:0"};
	struct ag_err err = {.text = ""};
	int rc;

	ag_list_init(&m.conns);
	mock_script_init(&m.script);
	for (size_t i = 0; i < MOCK_READY; i++)
		for (size_t k = 0; k < AG_ARRAY_LEN(m.ready[i].answer); k++)
			mock_answer_init(&m.ready[i].answer[k]);
	if (parse_options(argc, argv, &m, &o) < 0) {
		usage(stderr);
		return 2;
	}
	rc = mock_open(&m, &o, &err);
	if (rc == 0)
		rc = run(&m, &o, &err);
	if (rc < 0)
		fprintf(stderr, "aigate-mock: %s\n", err.text);
	mock_close(&m);
	return rc < 0 ? 1 : 0;
}
