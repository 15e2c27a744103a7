/* webhook.h - signed POSTs by libcurl's multi interface on the loop of the control process.
 *
 * Each carries content-type application/json and
 *   x-aigate-signature: t=SECONDS,v1=HEX      HMAC-SHA256(secret, "SECONDS.BODY"), lower case
 * so that a receiver checks who sent it and when.  Any 2xx takes it; redirects are not followed. */
#ifndef AG_CONTROL_WEBHOOK_H
#define AG_CONTROL_WEBHOOK_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct event_base;
struct ag_webhooks;
struct ag_webhook;

/* Called once from the loop, never from within ag_webhook_post(); why_not NULL: taken.  The handle is
 * gone when it is called. */
typedef void (*ag_webhook_done)(void *arg, const char *why_not);

struct ag_webhooks *ag_webhooks_new(struct event_base *base);
void ag_webhooks_free(struct ag_webhooks *w); /* NULL-safe; all handles are cancelled before */

/* secret_file is read each time: a new secret needs no signal.  body is copied. */
int ag_webhook_post(struct ag_webhooks *w, const char *url, const char *secret_file,
    struct ag_str body, ag_webhook_done done, void *arg, struct ag_webhook **out,
    struct ag_err *err) AG_MUST_CHECK;
void ag_webhook_cancel(struct ag_webhook *h); /* NULL-safe */

#define AG_SIGNATURE_MAX 96
/* "t=...,v1=..." */
int ag_webhook_sign(struct ag_str secret, int64_t now_s, struct ag_str body,
    char out[AG_SIGNATURE_MAX]) AG_MUST_CHECK;

#endif
