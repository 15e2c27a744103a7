/* share.c - where SQL and data files are: asked for, installed, or beside the sources. */
#include <string.h>
#include <unistd.h>

#include "tools/aigatectl/ctl.h"

/* The directory of the program itself, for one that runs from a build directory. */
static bool
program_dir(char *out, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", out, cap - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	return slash != NULL;
}

static bool
is_there(const char *dir, const char *below, const char *name, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s%s/%s", dir, below, name);

	return n > 0 && (size_t)n < cap && access(out, R_OK) == 0;
}

enum ctl_exit
ctl_share_find(const struct ctl *ctl, const char *name, char *out, size_t cap)
{
	char self[1024];

	if (ctl->share_dir) {
		if (is_there(ctl->share_dir, "", name, out, cap))
			return CTL_OK;
		return ctl_fail(CTL_BAD_FILE, "cannot find %s in %s", name, ctl->share_dir);
	}
	if (program_dir(self, sizeof(self)) &&
	    (is_there(self, "", name, out, cap) || is_there(self, "/..", name, out, cap)))
		return CTL_OK;
	if (is_there(AG_DATADIR, "", name, out, cap))
		return CTL_OK;
	return ctl_fail(CTL_BAD_FILE, "cannot find %s in %s; name its directory by --share-dir", name,
	                AG_DATADIR);
}
