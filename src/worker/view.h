/* view.h - one catalogue generation with what a worker derives from it: parsed hosts, opened
 * credentials.
 *
 * Reference-counted: the worker holds the newest, each running request the one it was admitted
 * under.  Credentials are opened on first use into memory that is locked, kept out of core files
 * and wiped when the view goes. */
#ifndef AG_WORKER_VIEW_H
#define AG_WORKER_VIEW_H

#include "aigated/vault.h"
#include "catalog/catalog.h"
#include "provider/provider.h"
#include "worker/worker.h"

struct ag_origin;
struct ag_token;

/* What requests to one integration have in common. */
struct ag_dest {
	struct ag_origin *origin;   /* borrowed: worker, outlives views */
	struct ag_str path_prefix;  /* of the base URL, no trailing slash; owned by the view */
	struct ag_str host_header;  /* "api.openai.com" or "host:port" */
	struct ag_str auth_line;    /* "authorization: Bearer ...\r\n", in locked memory; n 0: none */
	struct ag_str secret;       /* the credential, in locked memory */
	struct ag_str hidden[AG_HIDDEN_MAX]; /* of it: never passed back to a client; n 0: none */
	struct ag_token *token;     /* owned reference: where tokens come from instead; NULL: the credential is sent */
	struct ag_str header_lines; /* configured headers, each with CRLF */
	struct ag_str config;       /* `configurations`, JSON; in the catalogue */
	bool is_ready;
};

struct ag_view;

/* -errno with a logged reason: the worker keeps what it has. */
int ag_view_load(struct ag_worker *w, struct ag_view **out) AG_MUST_CHECK;
struct ag_view *ag_view_ref(struct ag_view *v);
void ag_view_unref(struct ag_view *v);

const struct ag_catalog *ag_view_catalog(const struct ag_view *v);

/* -EBADMSG: the credential does not open; -EINVAL: the base URL is not valid. */
int ag_view_dest(struct ag_worker *w, struct ag_view *v, const struct ag_cat_integration *i,
    const struct ag_provider *family, struct ag_dest **out) AG_MUST_CHECK;

#endif
