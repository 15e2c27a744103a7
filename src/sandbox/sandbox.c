#include "sandbox/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct ag_sandbox_row rows[] = {
	/*  role              master key  clients  admin */
	{ AG_ROLE_CONTROL,    true,       false,   true },
	{ AG_ROLE_FLUSHER,    false,      false,   false },
	{ AG_ROLE_WORKER,     true,       true,    false },
	{ AG_ROLE_TELEMETRY,  false,      false,   false },
};

const struct ag_sandbox_row *
ag_sandbox_row(enum ag_role role)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (rows[i].role == role)
			return &rows[i];
	assert(!"every role has a sandbox row");
	return NULL;
}

int
ag_account_find(const char *user, struct ag_account *out, struct ag_err *err)
{
	struct ag_account a = { .uid = getuid(), .gid = getgid(), .must_switch = geteuid() == 0 };
	const struct passwd *pw;

	if (a.must_switch) {
		errno = 0;
		pw = getpwnam(user);
		if (!pw)
			return ag_err_set(err, -ENOENT, "directive \"user\": account \"%.64s\" does not exist",
			    user);
		if (pw->pw_uid == 0)
			return ag_err_set(err, -EPERM,
			    "directive \"user\": account \"%.64s\" is root; nothing here may run as root", user);
		a.uid = pw->pw_uid;
		a.gid = pw->pw_gid;
	}
	snprintf(a.name, sizeof(a.name), "%s", user);
	*out = a;
	return 0;
}

int
ag_account_become(const struct ag_account *a, struct ag_err *err)
{
	if (!a->must_switch)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(a->gid, a->gid, a->gid) < 0 ||
	    setresuid(a->uid, a->uid, a->uid) < 0)
		return ag_err_set(err, -errno, "could not change to account \"%s\": %s", a->name,
		    strerror(errno));
	if (setuid(0) == 0 || geteuid() != a->uid || getegid() != a->gid)
		return ag_err_set(err, -EPERM, "could not give up root for account \"%s\"", a->name);
	return 0;
}

int
ag_sandbox_harden(struct ag_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return ag_err_set(err, -errno, "could not forbid core files: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return ag_err_set(err, -errno, "could not forbid new privileges: %s", strerror(errno));
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return ag_err_set(err, -errno, "could not become undumpable: %s", strerror(errno));
	return 0;
}

uint64_t
ag_sandbox_raise_nofile(uint64_t want)
{
	struct rlimit have, try;

	if (getrlimit(RLIMIT_NOFILE, &have) < 0)
		return 0;
	if (have.rlim_cur >= want)
		return have.rlim_cur;
	try.rlim_cur = want;
	try.rlim_max = have.rlim_max > want ? have.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &try) == 0)
		return want;
	/* Not ours to lift the ceiling: go as far as it is. */
	try.rlim_cur = try.rlim_max = have.rlim_max;
	if (have.rlim_max <= have.rlim_cur || setrlimit(RLIMIT_NOFILE, &try) < 0)
		return have.rlim_cur;
	return have.rlim_max;
}
