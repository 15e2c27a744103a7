/* ctl.h - aigatectl: what its commands share.
 *
 * A command is a row in main.c and a function that reads its arguments, does one thing through
 * the operators' socket (api.c) or through PostgreSQL (db.c), and prints a table or JSON.  It says
 * what went wrong itself, on standard error, and returns the exit status. */
#ifndef AIGATECTL_CTL_H
#define AIGATECTL_CTL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

struct json_object;
struct ag_conf;

/* The manual lists them. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,      /* the daemon or the database refused */
	CTL_USAGE = 2,       /* the command line makes no sense */
	CTL_UNREACHABLE = 3, /* no answer from the daemon or the database */
	CTL_BAD_FILE = 4,    /* configuration, SQL or price file missing or wrong */
	CTL_DIFFERS = 5,     /* apply --dry-run: there is something to do */
	CTL_LISTED = 100,    /* no exit: the options of a command were asked for, see ctl.listed */
};

enum ctl_output { CTL_OUT_TABLE, CTL_OUT_JSON, CTL_OUT_YAML };

struct ctl {
	const char *conf_path;
	const char *socket;    /* NULL: run_dir of the configuration */
	const char *database;  /* NULL: database of the configuration */
	const char *share_dir; /* NULL: AIGATE_SHARE_DIR, installed files, source tree */
	const char *organisation; /* NULL: the only one there is */
	enum ctl_output output;
	struct ag_conf *conf;  /* owned, read when first asked for */
	PGconn *db;            /* owned */
	struct ag_buf *listed; /* borrowed; not NULL: ctl_args() adds " --option" for each and reads nothing */
};

/* "aigatectl: text" on standard error; returns status, so that callers write return ctl_fail(). */
enum ctl_exit ctl_fail(enum ctl_exit status, const char *fmt, ...) AG_PRINTF(2, 3);
void ctl_say(const char *fmt, ...) AG_PRINTF(1, 2); /* remarks: standard error, never the result */

/* NULL after saying why. */
const struct ag_conf *ctl_conf(struct ctl *ctl);

/* args.c */
#define CTL_LIST_MAX 32
struct ctl_list {
	const char *v[CTL_LIST_MAX]; /* borrowed from argv */
	unsigned n;
};
enum ctl_opt_kind { CTL_OPT_END, CTL_OPT_FLAG, CTL_OPT_TEXT, CTL_OPT_LIST };
struct ctl_opt {
	const char *name;       /* without the dashes */
	enum ctl_opt_kind kind;
	void *out;              /* bool *, const char **, struct ctl_list * */
};
/* Global options are understood at any place.  Words that are no options go to words; more than
 * max_words of them are an error.  opts may be NULL.  CTL_OK or CTL_USAGE.  Every command calls it before it does
 * anything: what completion and help tell of its options is what it takes. */
enum ctl_exit ctl_args(struct ctl *ctl, int argc, char **argv, const struct ctl_opt *opts,
                       struct ctl_list *words, unsigned max_words);
/* Consumes global options at the front; the index of the first word, or < 0. */
int ctl_args_global(struct ctl *ctl, int argc, char **argv);

#define CTL_ETAG_MAX 64
/* api.c: a call over the operators' socket.  body may be NULL; out_answer is the caller's. */
enum ctl_exit ctl_api(struct ctl *ctl, const char *method, const char *path,
                      struct json_object *body, struct json_object **out_answer);
enum ctl_exit ctl_socket_path(struct ctl *ctl, char *out, size_t cap);
/* The same with conditions: if_match may be NULL; out_etag (may be NULL) becomes the answer's ETag, "" none. */
enum ctl_exit ctl_api_if(struct ctl *ctl, const char *method, const char *path, struct json_object *body,
                         const char *if_match, char out_etag[CTL_ETAG_MAX], struct json_object **out_answer);
/* After a change of the database behind the daemon's back: asks it to look, if it runs. */
void ctl_reload(struct ctl *ctl);
/* Percent-encodes what stands between two slashes. */
void ctl_put_segment(struct ag_buf *b, const char *text);
/* "/integrations/", slug, "/models": out is valid until the next call. */
const char *ctl_path(const char *before, const char *segment, const char *after);

/* db.c */
enum ctl_exit ctl_db_open(struct ctl *ctl);
/* Whether a result is what a statement should give; says what PostgreSQL said if not. */
enum ctl_exit ctl_db_check(PGconn *db, const PGresult *res, const char *what);
/* A statement whose rows nobody wants. */
enum ctl_exit ctl_db_exec(PGconn *db, const char *sql, const char *what);
/* Runs a query and prints it as a table with the names of its columns, or as JSON. */
enum ctl_exit ctl_db_print(struct ctl *ctl, const char *sql, int n, const char *const *values);

/* table.c */
struct ctl_table {
	unsigned columns;
	const char *const *titles; /* borrowed */
	char **cells;              /* owned, rows x columns */
	size_t n, cap;
	uint64_t is_number;        /* bit per column: aligned to the right */
};
void ctl_table_init(struct ctl_table *t, unsigned columns, const char *const *titles);
void ctl_table_fini(struct ctl_table *t);
void ctl_table_add(struct ctl_table *t, struct ag_str cell);
void ctl_table_print(const struct ctl_table *t, FILE *out);

struct ctl_column {
	const char *title;
	const char *path; /* "defaults.metadata" */
	void (*put)(struct ag_buf *b, struct json_object *value); /* NULL: as it is */
};
struct json_object *ctl_json_at(struct json_object *o, const char *path); /* borrowed, or NULL */
/* A member as text, "" when it is not there. */
const char *ctl_json_text(struct json_object *o, const char *path);
/* As JSON or as YAML, as -o says; a result that was asked for as a table: JSON. */
void ctl_print_tree(const struct ctl *ctl, struct json_object *o);
/* An array of objects, or one object with a line a column. */
void ctl_print_list(const struct ctl *ctl, struct json_object *answer, struct json_object *array,
                    const struct ctl_column *columns, unsigned n);
void ctl_print_one(const struct ctl *ctl, struct json_object *object,
                   const struct ctl_column *columns, unsigned n);
void ctl_put_usage_limits(struct ag_buf *b, struct json_object *value);
void ctl_put_rate_limits(struct ag_buf *b, struct json_object *value);
/* Of a workspace's security_settings those that do not stand as they do at first: the caller's. */
struct json_object *ctl_switches_moved(struct json_object *all);

/* limits.c: options about money and rates, as the admin API wants them. */
struct ctl_limit_opts {
	const char *budget, *budget_tokens, *period, *alert, *enforcement, *on_exhaust;
	struct ctl_list rpm, rps, rph, rpd, tpm;
};
#define CTL_LIMIT_OPTS(l)                                  \
	{ "budget", CTL_OPT_TEXT, &(l).budget },               \
	{ "budget-tokens", CTL_OPT_TEXT, &(l).budget_tokens }, \
	{ "period", CTL_OPT_TEXT, &(l).period },               \
	{ "alert", CTL_OPT_TEXT, &(l).alert },                 \
	{ "enforcement", CTL_OPT_TEXT, &(l).enforcement },     \
	{ "on-exhaust", CTL_OPT_TEXT, &(l).on_exhaust },       \
	{ "rps", CTL_OPT_LIST, &(l).rps },                     \
	{ "rpm", CTL_OPT_LIST, &(l).rpm },                     \
	{ "rph", CTL_OPT_LIST, &(l).rph },                     \
	{ "rpd", CTL_OPT_LIST, &(l).rpd },                     \
	{ "tpm", CTL_OPT_LIST, &(l).tpm }
/* Adds usage_limits and rate_limits to body when asked for; as_array: usage_limits is an array. */
enum ctl_exit ctl_limits_add(const struct ctl_limit_opts *l, bool as_array,
                             struct json_object *body);
/* "name=value" pairs as an object. */
enum ctl_exit ctl_metadata(const struct ctl_list *pairs, struct json_object **out);

/* share.c: SQL and data files. */
enum ctl_exit ctl_share_find(const struct ctl *ctl, const char *name, char *out, size_t cap);

/* prices.c */
enum ctl_exit ctl_prices_import_newer(struct ctl *ctl, bool is_dry_run);

/* main.c: the table of commands, by number; NULL behind the last. */
struct ctl_command {
	const char *name; /* one word or two */
	enum ctl_exit (*run)(struct ctl *ctl, int argc, char **argv);
	const char *args;
	const char *text;
};
const struct ctl_command *ctl_command_at(size_t i);
/* " --option" of each that it takes. */
void ctl_command_options(const struct ctl_command *command, struct ag_buf *b);

/* commands */
enum ctl_exit ctl_apply(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_export(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_completion(struct ctl *ctl, int argc, char **argv);
void ctl_print_options(struct ag_str options); /* of --help: a line of its own, or the end of one */
void ctl_words(void); /* complete.c: a line for each command: its name and its options */
enum ctl_exit ctl_db_migrate(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_db_status(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_bootstrap(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_workspace_create(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_workspace_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_workspace_show(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_workspace_delete(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_integration_create(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_integration_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_integration_show(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_integration_grant(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_integration_models(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_key_create(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_key_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_key_show(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_key_revoke(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_key_rotate(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_key_limits(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_user_invite(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_user_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_user_role(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_user_remove(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_vault_rekey(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_explain(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_usage(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_prices_import(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_prices_lint(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_prices_diff(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_reprice(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_prices_list(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_report(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_tail(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_journal_status(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_journal_verify(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_journal_replay(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_models(struct ctl *ctl, int argc, char **argv);
enum ctl_exit ctl_status(struct ctl *ctl, int argc, char **argv);

static inline void
ctl_pgres_cleanup(PGresult **res)
{
	PQclear(*res);
}

#endif
