/* fixture.h - runs the transcripts of tests/data/fixtures through a protocol and compares with what is
 * expected: chunks, their sum, usage, cost, errors; streams whole, byte by byte and cut at random.
 *
 * family: whose answer it is; from: the protocol it speaks.  Each call is one check of tap.h or a few. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include "translate/protocol.h"

/* "anthropic.messages.stream.text.sse": a stream, as OpenAI's clients get it. */
void fixture_stream(const char *name, const struct ag_protocol *from, const char *family);
/* "anthropic.messages.nonstream.json": a whole answer. */
void fixture_body(const char *name, const struct ag_protocol *from, const char *family);
/* "anthropic.error.429.json": an error answer. */
void fixture_error(const char *name, const struct ag_protocol *from);
/* "reverse.anthropic_client.stream.text.sse": what a client of `to` gets; the input is OpenAI's. */
void fixture_reverse(const char *name, const struct ag_protocol *to);
/* A whole exchange that is no chat: "cohere.embed.json". */
void fixture_exchange(const char *name, const struct ag_exchange *x, const char *family);

/* For a protocol's own tests. */
/* JSON text with ' for " (the caller frees by json_object_put). */
struct json_object *fixture_json(const char *single_quoted);
/* Does got hold what want says?  at: room for where it does not. */
bool fixture_match(struct json_object *got, struct json_object *want, bool is_exact, char *at, size_t at_cap);
/* A request through parse of one protocol and build of another; compared with want (single quotes).
 * want "!text": refused with a message that holds the text. */
void fixture_request(const struct ag_protocol *client, const char *body, const struct ag_protocol *to,
    const char *family, const char *model, const char *want, const char *text);

#endif
