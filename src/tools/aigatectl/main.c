/* main.c - aigatectl: one table of commands. */
#include "tools/aigatectl/ctl.h"

#include <curl/curl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "tools/aigatectl/noun.h"

#define LIMIT_ARGS \
	"[--budget USD | --budget-tokens N] [--period monthly|weekly] [--alert N] [--rpm N] ..."

static const struct ctl_command commands[] = {
	{ "db migrate", ctl_db_migrate, "[--dry-run]", "bring the schema and the prices up to date" },
	{ "db status", ctl_db_status, "", "migrations applied and pending" },
	{ "bootstrap", ctl_bootstrap, "--organisation NAME [--new-key]",
	  "make an organisation and print its first admin key, once" },
	{ "workspace create", ctl_workspace_create, "NAME [--slug S] [--metadata K=V] " LIMIT_ARGS,
	  "make a workspace" },
	{ "workspace list", ctl_workspace_list, "", "list workspaces" },
	{ "workspace show", ctl_workspace_show, "SLUG", "show one" },
	{ "workspace delete", ctl_workspace_delete, "SLUG --name NAME [--force]", "delete one" },
	{ "integration create", ctl_integration_create,
	  "SLUG --family F [--key-file FILE] [--custom-host URL] [--config K=V]",
	  "store a provider's credential" },
	{ "integration list", ctl_integration_list, "", "list integrations" },
	{ "integration show", ctl_integration_show, "SLUG", "show one, credential masked" },
	{ "integration grant", ctl_integration_grant,
	  "SLUG --workspace W [--revoke] " LIMIT_ARGS, "let a workspace use it" },
	{ "integration models", ctl_integration_models,
	  "SLUG [--enable M] [--disable M] [--only-listed | --all]", "models it may call" },
	{ "key create", ctl_key_create,
	  "NAME --workspace W [--scopes S,S] [--metadata K=V] [--expires T] " LIMIT_ARGS,
	  "make an API key and print it, once" },
	{ "key list", ctl_key_list, "[--workspace W]", "list keys, masked" },
	{ "key show", ctl_key_show, "ID|NAME", "show one: limits and what is used" },
	{ "key rotate", ctl_key_rotate, "ID|NAME [--transition-minutes N | --forget | --fetch]",
	  "give one a new secret and print it, once" },
	{ "key revoke", ctl_key_revoke, "ID|NAME", "delete one; it stops working at once" },
	{ "user invite", ctl_user_invite, "EMAIL [--role admin|member] [--workspace SLUG[:ROLE]] ...",
	  "invite a person and print the link, once" },
	{ "user list", ctl_user_list, "", "list the persons of the organisation" },
	{ "user role", ctl_user_role, "ID|EMAIL admin|member", "change a person's role" },
	{ "user remove", ctl_user_remove, "ID|EMAIL", "remove a person and the person's keys" },
	{ "limits", ctl_key_limits, "ID|NAME", "what binds a key: limits of all levels, used and left" },
	{ "explain", ctl_explain, "REQUEST|TRACE [--since DAY|Nd]",
	  "why a request was refused, fitted or admitted" },
	{ "usage", ctl_usage, "[--by day|key|workspace|model|tier] [--since DAY|Nd] [--until DAY]",
	  "what was spent" },
	{ "report", ctl_report, "spend|usage|errors|latency|top [--by DIMENSION] [--since DAY|Nd|Nh] [--until TIME]"
	  " [--limit N] [--format table|csv|json]", "spend, usage, errors and latency by anything" },
	{ "tail", ctl_tail, "[--workspace W] [--key K] [--model M] [--status N] [--errors] [--trace T] [--lines N]"
	  " [--count N]", "follow the ledger as it grows" },
	{ "models", ctl_models, "[--workspace W | --family F] [--model M]",
	  "the catalogue: context window, prices, abilities; or what a workspace may call" },
	{ "vault rekey", ctl_vault_rekey, "", "seal all credentials under a new master key; the daemon is stopped" },
	{ "prices import", ctl_prices_import, "[FILE] [--force]", "take over a price file" },
	{ "prices lint", ctl_prices_lint, "[FILE]", "check a price file" },
	{ "prices list", ctl_prices_list, "[--family F] [--model M] [--integration I] [--all]", "prices in force" },
	{ "prices diff", ctl_prices_diff, "[FILE]", "what an import of a price file would change" },
	{ "reprice", ctl_reprice,
	  "--from T --to T --model M [--family F] [--price ID] {--dry-run | --reason TEXT}",
	  "write adjustments where a price was wrong" },
	{ "journal status", ctl_journal_status, "[--dir DIR]", "what waits on disk for PostgreSQL" },
	{ "journal verify", ctl_journal_verify, "[--dir DIR]", "read all of it: damage and holes" },
	{ "journal replay", ctl_journal_replay, "[--dir DIR]",
	  "store it in PostgreSQL, the daemon being stopped" },
	{ "apply", ctl_apply, "-f FILE [--dry-run] [--prune [--yes]] [--resend-secrets]",
	  "make what stands what a file says; again: nothing" },
	{ "export", ctl_export, "", "what stands, as a file for apply; secrets left out" },
	{ "completion", ctl_completion, "bash|zsh", "completion for a shell" },
	{ "status", ctl_status, "", "whether daemon and database answer, and what they hold" },
};

enum ctl_exit
ctl_fail(enum ctl_exit status, const char *fmt, ...)
{
	va_list ap;

	fputs("aigatectl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

void
ctl_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

const struct ag_conf *
ctl_conf(struct ctl *ctl)
{
	struct ag_err err = { "" };

	if (!ctl->conf) {
		ctl->conf = ag_conf_load(ctl->conf_path, &err);
		if (!ctl->conf)
			ctl_fail(CTL_BAD_FILE, "%s", err.text);
	}
	return ctl->conf;
}

static void
print_help(FILE *out)
{
	size_t n = 0;

	fputs("usage: aigatectl [-c FILE] [-o table|json|yaml] [--socket PATH] [--database CONNINFO]\n"
	      "                 [--share-dir DIR] [--organisation NAME] COMMAND ...\n\n",
	      out);
	for (size_t i = 0; i < AG_ARRAY_LEN(commands); i++)
		fprintf(out, "  %-19s %s\n  %-19s     %s\n", commands[i].name, commands[i].text, "",
		        commands[i].args);
	fputs("\nAll nouns, by their members as the API names them:\n\n", out);
	for (const struct ctl_noun *noun; (noun = ctl_noun_at(n)) != NULL; n++) {
		fprintf(out, "  %-19s ", noun->name);
		for (unsigned verb = 1; verb <= CTL_VERB_DELETE; verb <<= 1)
			if (noun->verbs & verb)
				fprintf(out, " %s", ctl_verb_name((enum ctl_verb)verb));
		fputc('\n', out);
	}
	fputs("\nSee aigatectl(8).\n", out);
}

const struct ctl_command *
ctl_command_at(size_t i)
{
	return i < AG_ARRAY_LEN(commands) ? &commands[i] : NULL;
}

void
ctl_command_options(const struct ctl_command *command, struct ag_buf *b)
{
	struct ctl ctl = { .listed = b };

	(void)command->run(&ctl, 0, NULL);
}

void
ctl_print_options(struct ag_str options)
{
	printf("%s%.*s\n", options.n > 0 ? "\noptions:" : "", (int)options.n, options.n > 0 ? options.p : "");
}

static void
print_command_help(const struct ctl_command *command)
{
	struct ag_buf b;

	ag_buf_init(&b, 4096);
	ctl_command_options(command, &b);
	printf("usage: aigatectl %s %s\n%s", command->name, command->args, command->text);
	ctl_print_options(ag_buf_str(&b));
	ag_buf_fini(&b);
}

/* What there is of a first word; false: nothing. */
static bool
print_noun_help(FILE *out, const char *first)
{
	const struct ctl_noun *noun = ctl_noun_find(first);
	size_t n = strlen(first);
	bool is_any = noun != NULL;

	for (size_t i = 0; i < AG_ARRAY_LEN(commands); i++) {
		if (strncmp(commands[i].name, first, n) != 0 || commands[i].name[n] != ' ')
			continue;
		fprintf(out, "usage: aigatectl %s %s\n", commands[i].name, commands[i].args);
		is_any = true;
	}
	if (noun) {
		fprintf(out, "usage: aigatectl %s", noun->name);
		for (unsigned verb = 1, k = 0; verb <= CTL_VERB_DELETE; verb <<= 1)
			if (noun->verbs & verb)
				fprintf(out, "%s%s", k++ ? "|" : " ", ctl_verb_name((enum ctl_verb)verb));
		fputs(" ...\nA verb and --help tell its options.\n", out);
	}
	return is_any;
}

/* The command the words begin with, and how many of them are its name. */
static const struct ctl_command *
command_find(int argc, char **argv, int *out_words)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(commands); i++) {
		const char *name = commands[i].name;
		const char *space = strchr(name, ' ');
		size_t first_n = space ? (size_t)(space - name) : strlen(name);

		if (argc < 1 || strlen(argv[0]) != first_n || strncmp(argv[0], name, first_n) != 0)
			continue;
		if (space && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*out_words = space ? 2 : 1;
		return &commands[i];
	}
	return NULL;
}

static enum ctl_exit
run(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *command;
	enum ctl_exit status;
	int at = ctl_args_global(ctl, argc, argv), words = 0;

	if (at < 0)
		return CTL_USAGE;
	if (at == argc) {
		print_help(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[at], "help") == 0 || strcmp(argv[at], "--help") == 0 ||
	    strcmp(argv[at], "-h") == 0) {
		if (at + 1 < argc && strcmp(argv[at + 1], "--words") == 0)
			ctl_words();
		else if (at + 1 == argc || !print_noun_help(stdout, argv[at + 1]))
			print_help(stdout);
		return CTL_OK;
	}
	command = command_find(argc - at, argv + at, &words);
	if (!command && ctl_noun_run(ctl, argc - at, argv + at, &status))
		return status;
	if (!command && (at + 1 == argc || strcmp(argv[at + 1], "--help") == 0 || strcmp(argv[at + 1], "-h") == 0) &&
	    print_noun_help(at + 1 == argc ? stderr : stdout, argv[at]))
		return at + 1 == argc ? CTL_USAGE : CTL_OK;
	if (!command)
		return ctl_fail(CTL_USAGE, "unknown command \"%s%s%s\"; try aigatectl help", argv[at],
		                at + 1 < argc ? " " : "", at + 1 < argc ? argv[at + 1] : "");
	for (int i = at + words; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_command_help(command);
			return CTL_OK;
		}
	}
	return command->run(ctl, argc - at - words, argv + at + words);
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {
		.conf_path = AG_SYSCONFDIR "/aigated/aigated.conf",
		.share_dir = getenv("AIGATE_SHARE_DIR"),
	};
	enum ctl_exit status;

	setlocale(LC_CTYPE, "");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return (int)ctl_fail(CTL_FAILED, "could not initialise libcurl");
	status = run(&ctl, argc - 1, argv + 1);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = ctl_fail(CTL_FAILED, "could not write to standard output");
	PQfinish(ctl.db);
	ag_conf_free(ctl.conf);
	curl_global_cleanup();
	return (int)status;
}
