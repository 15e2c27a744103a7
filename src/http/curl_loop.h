/* curl_loop.h - libcurl's multi interface on a libevent loop: for calls that are few and not the traffic
 * itself (webhooks, access tokens).
 *
 * libcurl's buffers are overwritten when it lets go of them (base/wiping.h).  Names are resolved in a
 * thread of libcurl's unless CURLOPT_RESOLVE says their address. */
#ifndef AG_HTTP_CURL_LOOP_H
#define AG_HTTP_CURL_LOOP_H

#include <curl/curl.h>

#include "base/attr.h"

struct event_base;
struct ag_curl_loop;

/* Called once from the loop; the handle is still the caller's, who removes and frees it, also here. */
typedef void (*ag_curl_done)(CURL *curl, CURLcode rc, void *arg);

struct ag_curl_loop *ag_curl_loop_new(struct event_base *base); /* NULL: no memory */
void ag_curl_loop_free(struct ag_curl_loop *l); /* NULL-safe; all handles are removed before */
/* -ENOMEM.  done is not called from within; takes CURLOPT_PRIVATE. */
int ag_curl_loop_add(struct ag_curl_loop *l, CURL *curl, ag_curl_done done, void *arg) AG_MUST_CHECK;
void ag_curl_loop_remove(struct ag_curl_loop *l, CURL *curl);

#endif
