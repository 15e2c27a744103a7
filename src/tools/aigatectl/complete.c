/* complete.c - completion for bash and zsh, written from the tables of commands and nouns. */
#include <string.h>

#include "tools/aigatectl/noun.h"

#define GLOBAL_OPTIONS "--config --output --socket --database --share-dir --organisation --help"

static bool
is_listed(const struct ag_buf *b, const char *word, size_t n)
{
	char padded[80];

	snprintf(padded, sizeof(padded), " %.*s ", (int)n, word);
	return memmem(b->p, b->n, padded, strlen(padded)) != NULL;
}

static void
add_word(struct ag_buf *b, const char *word, size_t n)
{
	if (b->n == 0)
		ag_buf_putc(b, ' ');
	if (is_listed(b, word, n))
		return;
	ag_buf_put(b, word, n);
	ag_buf_putc(b, ' ');
}

/* " db workspace ... ": each first word once. */
static void
put_first_words(struct ag_buf *b)
{
	const struct ctl_command *command;
	const struct ctl_noun *noun;

	for (size_t i = 0; (command = ctl_command_at(i)) != NULL; i++)
		add_word(b, command->name, strcspn(command->name, " "));
	for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++)
		add_word(b, noun->name, strlen(noun->name));
}

static void
put_second_words(struct ag_buf *b, const char *first, size_t n)
{
	const struct ctl_command *command;
	const struct ctl_noun *noun;

	for (size_t i = 0; (command = ctl_command_at(i)) != NULL; i++) {
		const char *rest = command->name + strcspn(command->name, " ");

		if (*rest && strlen(command->name) - strlen(rest) == n && strncmp(command->name, first, n) == 0)
			add_word(b, rest + 1, strlen(rest + 1));
	}
	for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++)
		for (unsigned verb = 1; verb <= CTL_VERB_DELETE; verb <<= 1)
			if (strlen(noun->name) == n && strncmp(noun->name, first, n) == 0 && (noun->verbs & verb))
				add_word(b, ctl_verb_name((enum ctl_verb)verb),
				    strlen(ctl_verb_name((enum ctl_verb)verb)));
}

/* What a command of one word may be followed by: "bash|zsh". */
static void
put_alternatives(struct ag_buf *b, const char *first, size_t n)
{
	const struct ctl_command *command;

	for (size_t i = 0; (command = ctl_command_at(i)) != NULL; i++) {
		const char *p = command->args;
		size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz-|");

		if (strlen(command->name) != n || strncmp(command->name, first, n) != 0 || p[0] == '-' ||
		    !memchr(p, '|', len) || (p[len] != '\0' && p[len] != ' '))
			continue;
		for (size_t word; len > 0; p += word, len -= word) {
			word = strcspn(p, "| ");
			add_word(b, p, word);
			word += p[word] == '|';
		}
	}
}

static struct ag_str
trimmed(const struct ag_buf *b)
{
	return ag_str_trim(ag_buf_str(b));
}

static void
print_second_words(struct ag_buf *first)
{
	struct ag_str rest = trimmed(first);

	while (rest.n > 0) {
		const char *space = memchr(rest.p, ' ', rest.n);
		size_t n = space ? (size_t)(space - rest.p) : rest.n;
		struct ag_buf second;

		ag_buf_init(&second, 4096);
		put_second_words(&second, rest.p, n);
		put_alternatives(&second, rest.p, n);
		if (second.n > 0)
			printf("\t%.*s) words='%.*s' ;;\n", (int)n, rest.p, (int)trimmed(&second).n, trimmed(&second).p);
		ag_buf_fini(&second);
		rest = ag_str_trim(ag_str_skip(rest, n));
	}
}

/* ---- every command, by its words and what it takes ---- */

static bool
has_command(const char *name)
{
	const struct ctl_command *command;

	for (size_t i = 0; (command = ctl_command_at(i)) != NULL; i++)
		if (strcmp(command->name, name) == 0)
			return true;
	return false;
}

static void
each_command(void (*tell)(const char *name, struct ag_str options))
{
	const struct ctl_command *command;
	const struct ctl_noun *noun;
	struct ag_buf b;
	char name[80];

	ag_buf_init(&b, 4096);
	for (size_t i = 0; (command = ctl_command_at(i)) != NULL; i++) {
		ag_buf_reset(&b);
		ctl_command_options(command, &b);
		tell(command->name, trimmed(&b));
	}
	for (size_t i = 0; (noun = ctl_noun_at(i)) != NULL; i++)
		for (unsigned verb = 1; verb <= CTL_VERB_DELETE; verb <<= 1) {
			snprintf(name, sizeof(name), "%s %s", noun->name, ctl_verb_name((enum ctl_verb)verb));
			if (!(noun->verbs & verb) || has_command(name))
				continue;
			ag_buf_reset(&b);
			ctl_noun_options(noun, (enum ctl_verb)verb, &b);
			tell(name, trimmed(&b));
		}
	ag_buf_fini(&b);
}

static void
print_case(const char *name, struct ag_str options)
{
	printf("\t'%s'%s) words='%.*s' ;;\n", name, strchr(name, ' ') ? "" : "' '*", AG_STR_ARG(options));
}

static void
print_words(const char *name, struct ag_str options)
{
	printf("%s%s%.*s\n", name, options.n > 0 ? " " : "", AG_STR_ARG(options));
}

void
ctl_words(void)
{
	each_command(print_words);
}

/* One function for both shells: zsh runs it through bashcompinit. */
static void
print_script(void)
{
	struct ag_buf first;

	ag_buf_init(&first, 8192);
	put_first_words(&first);
	puts("_aigatectl() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} first= second= words= i\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in\n"
	     "\t\t-c|--config|-o|--output|--socket|--database|--share-dir|--organisation) ((i++)) ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) if [ -z \"$first\" ]; then first=${COMP_WORDS[i]}; else second=${COMP_WORDS[i]}; break; fi ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $prev in\n"
	     "\t-o|--output) words='table json yaml' ;;\n"
	     "\t-c|--config|--socket|--share-dir|-f|--file|--key-file)\n"
	     "\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	     "\tesac\n"
	     "\tif [ -n \"$words\" ]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return\n"
	     "\tfi\n"
	     "\tif [ -z \"$first\" ]; then");
	printf("\t\tCOMPREPLY=($(compgen -W '%.*s " GLOBAL_OPTIONS "' -- \"$cur\")); return\n", (int)trimmed(&first).n,
	       trimmed(&first).p);
	puts("\tfi\n"
	     "\tcase $cur in\n"
	     "\t-*) ;;\n"
	     "\t*) if [ -z \"$second\" ]; then\n"
	     "\t\tcase $first in");
	print_second_words(&first);
	puts("\t\tesac\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return\n"
	     "\tfi ;;\n"
	     "\tesac\n"
	     "\tcase \"$first $second\" in");
	each_command(print_case);
	puts("\tesac\n"
	     "\tCOMPREPLY=($(compgen -W \"$words " GLOBAL_OPTIONS "\" -- \"$cur\"))\n"
	     "}");
	ag_buf_fini(&first);
}

enum ctl_exit
ctl_completion(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_list words = { .n = 0 };
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, &words, 1);

	if (status != CTL_OK)
		return status;
	if (words.n == 1 && strcmp(words.v[0], "bash") == 0) {
		print_script();
		puts("complete -o default -F _aigatectl aigatectl");
		return CTL_OK;
	}
	if (words.n == 1 && strcmp(words.v[0], "zsh") == 0) {
		puts("#compdef aigatectl\nautoload -U +X bashcompinit && bashcompinit");
		print_script();
		puts("complete -o default -F _aigatectl aigatectl");
		return CTL_OK;
	}
	return ctl_fail(CTL_USAGE, "for which shell?  bash or zsh");
}
