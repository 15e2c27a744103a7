#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

#undef ag_err_set

int
ag_err_set(struct ag_err *err, int rc, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return rc;
}
