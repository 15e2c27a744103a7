#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <json-c/json_c_version.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>

#include "base/log.h"
#include "base/title.h"
#include "conf/conf.h"
#include "master/dump.h"
#include "master/master.h"

#define DEFAULT_CONF AG_SYSCONFDIR "/aigated/aigated.conf"

struct options {
	const char *conf_path;
	const char *dump;
	bool is_foreground, must_check, must_print, must_tell_version, is_wrong;
};

static const char usage_text[] =
    "usage: aigated [-ftTV] [-c file]\n"
    "  -c file  configuration, default " DEFAULT_CONF "\n"
    "  -f       stay in the foreground\n"
    "  -t       check the configuration and exit\n"
    "  -T       print the configuration in force and exit\n"
    "  -V       print the version and exit\n";

static struct options
parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dump-man", required_argument, NULL, 'D' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .conf_path = DEFAULT_CONF };
	int c;

	while ((c = getopt_long(argc, argv, "c:fhtTV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_path = optarg;
			break;
		case 'D':
			o.dump = optarg;
			break;
		case 'f':
			o.is_foreground = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		case 't':
			o.must_check = true;
			break;
		case 'T':
			o.must_print = true;
			break;
		case 'V':
			o.must_tell_version = true;
			break;
		default:
			o.is_wrong = true;
			break;
		}
	}
	o.is_wrong = o.is_wrong || optind < argc;
	return o;
}

static void
tell_version(void)
{
	int pq = PQlibVersion();

	printf("aigated " PACKAGE_VERSION "\n"
	       "%s\nlibevent %s\nlibpq %d.%d\njson-c %s\n%s\n",
	    OpenSSL_version(OPENSSL_VERSION), event_get_version(), pq / 10000, pq % 10000,
	    json_c_version(), curl_version());
}

/* As the account that will have to read them; never comes back to root. */
static int
check(const struct ag_conf *conf, struct ag_err *err)
{
	struct ag_master_key key;
	struct ag_account account;
	int rc = ag_account_find(conf->user, &account, err);

	if (rc == 0 && conf->master_key_file[0]) {
		rc = ag_master_load_key(conf, &account, &key, err);
		ag_mem_wipe(&key, sizeof(key));
	}
	if (rc == 0)
		rc = ag_account_become(&account, err);
	if (rc == 0)
		rc = ag_master_check_files(conf, err);
	return rc;
}

static int
fail(const struct ag_err *err)
{
	if (ag_log_fd() != STDERR_FILENO)
		ag_error("%s", err->text);
	fprintf(stderr, "aigated: %s\n", err->text);
	return 1;
}

static int
run(struct ag_conf *conf, bool is_foreground)
{
	static struct ag_master m; /* zero, and too large for a stack */
	struct ag_err err;
	int rc;

	m.conf = conf;
	m.is_foreground = is_foreground;
	m.shm.fd = m.shm_lock_fd = m.control_fd = m.operator_fd = m.metrics_fd = m.pid_fd = m.ready_fd = -1;
	m.life_fds[0] = m.life_fds[1] = -1;
	ag_title_set("master");
	rc = ag_master_start(&m, &err) < 0 ? fail(&err) : ag_master_supervise(&m);
	ag_master_stop(&m);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options o = parse_options(argc, argv);
	struct ag_conf *conf;
	struct ag_err err;
	int rc = 0;

	umask(027);
	if (o.is_wrong || (o.dump && ag_dump_man(o.dump) < 0)) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (o.dump)
		return fflush(stdout) == 0 ? 0 : 1;
	if (o.must_tell_version) {
		tell_version();
		return 0;
	}
	conf = ag_conf_load(o.conf_path, &err);
	if (!conf)
		return fail(&err);
	if (o.must_print)
		ag_conf_print(conf, stdout);
	if (o.must_check) {
		rc = check(conf, &err) < 0 ? fail(&err) : 0;
		if (rc == 0)
			fprintf(o.must_print ? stderr : stdout, "configuration file %s is OK\n", o.conf_path);
	} else if (!o.must_print) {
		ag_title_init(argc, argv); /* last: options point into what it overwrites */
		rc = run(conf, o.is_foreground);
	}
	ag_conf_free(conf);
	return rc;
}
