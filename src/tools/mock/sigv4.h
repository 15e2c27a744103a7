/* sigv4.h - AWS signature version 4 as the receiver sees it; written apart from the gateway's. */
#ifndef AG_MOCK_SIGV4_H
#define AG_MOCK_SIGV4_H

#include "tools/mock/format.h"

/* Of the Authorization header: the access key id; n 0: it is not signed. */
struct ag_str mock_sigv4_akid(struct ag_str authorization);
/* The form of it, and the signature too when job->aws_secret is given.  NULL: well; else what AWS would
 * say, in out (of cap bytes), and the error's name in *out_type. */
const char *mock_sigv4_flaw(const struct mock_job *job, const char **out_type, char *out,
			    size_t cap);

#endif
