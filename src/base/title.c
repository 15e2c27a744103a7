#include "base/title.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/str.h"

static char *area;       /* borrowed: the kernel's copy of argv and environ */
static size_t area_bytes;
static char title_who[48];

/* A copy on the heap, so that the old strings may be overwritten; kept for the life of the process. */
static void
move_environ(void)
{
	size_t n = 0;
	char **copy;

	while (environ && environ[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(environ[i]);
		if (copy[i])
			continue;
		while (i > 0)
			free(copy[--i]);
		free(copy);
		copy = NULL;
	}
	if (copy)
		environ = copy;
	else
		area_bytes = 0; /* no title then, but no damage either */
}

void
ag_title_init(int argc, char **argv)
{
	char *end;

	if (argc < 1 || !argv[0])
		return;
	end = argv[0] + strlen(argv[0]) + 1;
	for (int i = 1; i < argc && argv[i] == end; i++)
		end = argv[i] + strlen(argv[i]) + 1;
	for (size_t i = 0; environ && environ[i] == end; i++)
		end = environ[i] + strlen(environ[i]) + 1;
	area = argv[0];
	area_bytes = (size_t)(end - argv[0]);
	move_environ();
}

static void
write_title(const char *state)
{
	char text[128], comm[16];
	size_t n;

	snprintf(text, sizeof(text), state[0] ? "aigated: %s (%s)" : "aigated: %s", title_who, state);
	n = strcspn(text, "(");
	(void)ag_str_copy(ag_str_trim(ag_str_n(text, n)), comm, sizeof(comm)); /* the kernel keeps 15 */
	prctl(PR_SET_NAME, comm);
	if (!area || area_bytes < 2)
		return;
	n = strlen(text);
	if (n > area_bytes - 1)
		n = area_bytes - 1;
	memcpy(area, text, n);
	memset(area + n, 0, area_bytes - n);
}

void
ag_title_set(const char *who)
{
	snprintf(title_who, sizeof(title_who), "%s", who);
	write_title("");
}

void
ag_title_state(const char *state)
{
	write_title(state);
}
