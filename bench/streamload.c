/* streamload - many streams at once, read to their ends or held open.
 *
 *	streamload PORT CONNECTIONS ROUNDS < request
 *	streamload PORT CONNECTIONS hold SECONDS DESCRIPTOR < request
 *
 * Sends the request on each connection, ROUNDS times one after the other, and reads each answer to the end of its
 * last chunk.  Prints "FIGURES streams bytes reads seconds".  hold: sends it once, prints "HELD n" when every
 * connection has had a piece behind its head for SECONDS, and keeps them until the descriptor
 * ends.  Anything but 200 ends it with status 1 and the answer's head. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX (64 * 1024)
#define TAIL        7

struct stream {
	int fd, left;
	unsigned reads; /* of this answer */
	char tail[TAIL];
	size_t tail_n;
};

static char request[REQUEST_MAX];
static size_t request_n;
static unsigned long long done, bytes, reads;

static int
fail(const char *what)
{
	fprintf(stderr, "streamload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
send_request(struct stream *s)
{
	s->reads = 0;
	s->tail_n = 0;
	if (send(s->fd, request, request_n, MSG_NOSIGNAL) != (ssize_t)request_n)
		fail("could not send");
}

static void
open_stream(struct stream *s, int epoll, unsigned short port, int rounds)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->left = rounds;
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("could not connect");
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e) < 0)
		fail("could not watch");
	send_request(s);
}

/* The last bytes of what came so far. */
static void
keep_tail(struct stream *s, const char *p, size_t n)
{
	char both[TAIL * 2];
	size_t from_new = n < TAIL ? n : TAIL, old = s->tail_n;

	memcpy(both, s->tail, old);
	memcpy(both + old, p + n - from_new, from_new);
	old += from_new;
	s->tail_n = old < TAIL ? old : TAIL;
	memcpy(s->tail, both + old - s->tail_n, s->tail_n);
}

/* 1 when the answer is whole. */
static int
read_some(struct stream *s)
{
	static char in[256 * 1024];
	ssize_t n = recv(s->fd, in, sizeof(in), 0);

	if (n <= 0)
		fail("a stream broke off");
	if (s->reads++ == 0 && (n < 12 || memcmp(in + 9, "200", 3) != 0)) {
		fprintf(stderr, "streamload: %.*s\n", (int)(n < 2000 ? n : 2000), in);
		exit(1);
	}
	bytes += (unsigned long long)n;
	reads++;
	keep_tail(s, in, (size_t)n);
	return s->tail_n == TAIL && memcmp(s->tail, "\r\n0\r\n\r\n", TAIL) == 0;
}

static void
run(int epoll, int open)
{
	struct epoll_event e[256];

	while (open > 0) {
		int n = epoll_wait(epoll, e, 256, 60000);

		if (n <= 0)
			fail("nothing came for a minute");
		for (int i = 0; i < n; i++) {
			struct stream *s = e[i].data.ptr;

			if (!read_some(s))
				continue;
			done++;
			if (--s->left > 0) {
				send_request(s);
			} else {
				close(s->fd);
				open--;
			}
		}
	}
}

static void
hold(int epoll, const struct stream *all, int count, double seconds, int until)
{
	struct pollfd end = { .fd = until, .events = POLLIN };
	struct epoll_event e[256];
	double since = 0;
	int is_told = 0;

	for (;;) {
		int n = epoll_wait(epoll, e, 256, 100), have = 0;

		for (int i = 0; i < n; i++)
			if (read_some(e[i].data.ptr))
				fail("a stream ended that was to be held");
		for (int i = 0; i < count && !is_told; i++)
			have += all[i].reads > 1;
		if (!is_told && have == count) {
			since = since > 0 ? since : now();
			if (now() - since >= seconds) {
				printf("HELD %d\n", count);
				fflush(stdout);
				is_told = 1;
			}
		}
		if (is_told && poll(&end, 1, 0) > 0)
			return;
	}
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	struct stream *all;
	int count, epoll = epoll_create1(EPOLL_CLOEXEC), holds;
	double from;

	if (argc < 4 || (holds = strcmp(argv[3], "hold") == 0) * 2 + 4 != argc || epoll < 0)
		return 2;
	count = (int)strtol(argv[2], NULL, 10);
	request_n = fread(request, 1, sizeof(request), stdin);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	all = calloc((size_t)count, sizeof(*all));
	if (!all)
		return 1;
	from = now();
	for (int i = 0; i < count; i++)
		open_stream(&all[i], epoll, (unsigned short)strtol(argv[1], NULL, 10),
		    holds ? 1 : (int)strtol(argv[3], NULL, 10));
	if (holds)
		hold(epoll, all, count, strtod(argv[4], NULL), (int)strtol(argv[5], NULL, 10));
	else
		run(epoll, count);
	printf("FIGURES %llu %llu %llu %.3f\n", done, bytes, reads, now() - from);
	free(all);
	return 0;
}
