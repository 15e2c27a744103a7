/* args.c - options and words of a command line, global options at any place. */
#include <string.h>

#include "tools/aigatectl/ctl.h"

/* The value of the option at argv[*i]: behind "=", or the next word. */
static const char *
option_value(int argc, char **argv, int *i)
{
	const char *equals = strchr(argv[*i], '=');

	if (equals && argv[*i][1] == '-')
		return equals + 1;
	if (*i + 1 >= argc) {
		ctl_fail(CTL_USAGE, "option %s needs a value", argv[*i]);
		return NULL;
	}
	*i += 1;
	return argv[*i];
}

static bool
is_option(const char *arg, const char *name)
{
	size_t n = strlen(name);

	if (n == 1)
		return arg[0] == '-' && arg[1] == name[0] && arg[2] == '\0';
	return arg[0] == '-' && arg[1] == '-' && strncmp(arg + 2, name, n) == 0 &&
	       (arg[2 + n] == '\0' || arg[2 + n] == '=');
}

/* 1 it was one, 0 it is not, -1 it makes no sense. */
static int
take_global(struct ctl *ctl, int argc, char **argv, int *i)
{
	static const char *const outputs[] = { [CTL_OUT_TABLE] = "table", [CTL_OUT_JSON] = "json",
		[CTL_OUT_YAML] = "yaml" };
	const char *arg = argv[*i], *value;
	const struct {
		const char *name, *letter;
		const char **out;
	} rows[] = {
		{ "config", "-c", &ctl->conf_path },
		{ "socket", "", &ctl->socket },
		{ "database", "", &ctl->database },
		{ "share-dir", "", &ctl->share_dir },
		{ "organisation", "", &ctl->organisation },
	};

	for (size_t k = 0; k < AG_ARRAY_LEN(rows); k++) {
		if (!is_option(arg, rows[k].name) && strcmp(arg, rows[k].letter) != 0)
			continue;
		value = option_value(argc, argv, i);
		if (!value)
			return -1;
		*rows[k].out = value;
		return 1;
	}
	if (!is_option(arg, "output") && strcmp(arg, "-o") != 0)
		return 0;
	value = option_value(argc, argv, i);
	if (!value)
		return -1;
	for (size_t k = 0; k < AG_ARRAY_LEN(outputs); k++) {
		if (strcmp(value, outputs[k]) == 0) {
			ctl->output = (enum ctl_output)k;
			return 1;
		}
	}
	ctl_fail(CTL_USAGE, "output is table, json or yaml, not \"%s\"", value);
	return -1;
}

int
ctl_args_global(struct ctl *ctl, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		int taken = take_global(ctl, argc, argv, &i);

		if (taken < 0)
			return -1;
		if (taken == 0)
			break;
	}
	return i;
}

static enum ctl_exit
take_option(const struct ctl_opt *opt, int argc, char **argv, int *i)
{
	struct ctl_list *list;
	const char *value;

	if (opt->kind == CTL_OPT_FLAG) {
		if (strchr(argv[*i], '='))
			return ctl_fail(CTL_USAGE, "option --%s takes no value", opt->name);
		*(bool *)opt->out = true;
		return CTL_OK;
	}
	value = option_value(argc, argv, i);
	if (!value)
		return CTL_USAGE;
	if (opt->kind == CTL_OPT_TEXT) {
		*(const char **)opt->out = value;
		return CTL_OK;
	}
	list = opt->out;
	if (list->n == CTL_LIST_MAX)
		return ctl_fail(CTL_USAGE, "option --%s is given more than %d times", opt->name,
		                CTL_LIST_MAX);
	list->v[list->n++] = value;
	return CTL_OK;
}

static const struct ctl_opt *
option_find(const struct ctl_opt *opts, const char *arg)
{
	for (const struct ctl_opt *o = opts; o && o->kind != CTL_OPT_END; o++) {
		if (is_option(arg, o->name))
			return o;
	}
	return NULL;
}

enum ctl_exit
ctl_args(struct ctl *ctl, int argc, char **argv, const struct ctl_opt *opts,
         struct ctl_list *words, unsigned max_words)
{
	bool only_words = false;

	for (const struct ctl_opt *o = ctl->listed ? opts : NULL; o && o->kind != CTL_OPT_END; o++) {
		ag_buf_puts(ctl->listed, o->name[1] ? " --" : " -");
		ag_buf_puts(ctl->listed, o->name);
	}
	if (ctl->listed)
		return CTL_LISTED;
	for (int i = 0; i < argc; i++) {
		const struct ctl_opt *opt = only_words ? NULL : option_find(opts, argv[i]);
		int taken = only_words || opt ? 0 : take_global(ctl, argc, argv, &i);

		if (taken < 0)
			return CTL_USAGE;
		if (taken > 0)
			continue;
		if (opt) {
			enum ctl_exit status = take_option(opt, argc, argv, &i);

			if (status != CTL_OK)
				return status;
		} else if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			return ctl_fail(CTL_USAGE, "unknown option %s", argv[i]);
		} else if (!words || words->n >= max_words || words->n >= CTL_LIST_MAX) {
			return ctl_fail(CTL_USAGE, "unexpected \"%s\"", argv[i]);
		} else {
			words->v[words->n++] = argv[i];
		}
	}
	return CTL_OK;
}
