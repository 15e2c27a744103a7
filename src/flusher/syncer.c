#include "flusher/syncer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"

enum sync_state { SYNC_NONE, SYNC_ASKED, SYNC_ENDED };

struct ag_syncer {
	int dir_fd;              /* borrowed */
	int event_fd;            /* owned */
	pthread_t thread;
	pthread_mutex_t lock;    /* of everything below */
	pthread_cond_t to_do, done;
	enum sync_state sync;
	int fd;                  /* borrowed, while a sync is asked for */
	bool with_dir;
	int rc;
	char unlinks[AG_SYNCER_UNLINKS][AG_SYNCER_NAME_LEN];
	unsigned first_unlink, n_unlinks;
	unsigned n_failed;
	int failed_errno;
	bool is_stopping;
};

static int
sync_file(int dir_fd, int fd, bool with_dir)
{
	/* The name must survive a power cut as surely as the bytes. */
	if (with_dir && fsync(dir_fd) < 0)
		return -errno;
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* Called and left with the lock held. */
static void
do_sync(struct ag_syncer *s)
{
	const uint64_t one = 1;
	int fd = s->fd, rc;
	bool with_dir = s->with_dir;

	pthread_mutex_unlock(&s->lock);
	rc = sync_file(s->dir_fd, fd, with_dir);
	pthread_mutex_lock(&s->lock);
	s->rc = rc;
	s->sync = SYNC_ENDED;
	pthread_cond_signal(&s->done);
	/* Fails only when the counter is full, and then the event is there anyway. */
	if (write(s->event_fd, &one, sizeof(one)) < 0)
		return;
}

static void
do_unlink(struct ag_syncer *s)
{
	char name[AG_SYNCER_NAME_LEN];
	int error;

	memcpy(name, s->unlinks[s->first_unlink], sizeof(name));
	pthread_mutex_unlock(&s->lock);
	error = unlinkat(s->dir_fd, name, 0) < 0 && errno != ENOENT ? errno : 0;
	pthread_mutex_lock(&s->lock);
	s->first_unlink = (s->first_unlink + 1) % AG_SYNCER_UNLINKS;
	s->n_unlinks--;
	if (error) {
		s->n_failed++;
		s->failed_errno = error;
	}
}

static void *
syncer_main(void *arg)
{
	struct ag_syncer *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		if (s->sync == SYNC_ASKED)
			do_sync(s); /* first: somebody waits for it */
		else if (s->n_unlinks)
			do_unlink(s);
		else if (s->is_stopping)
			break;
		else
			pthread_cond_wait(&s->to_do, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void
syncer_free(struct ag_syncer *s)
{
	ag_fd_close(&s->event_fd);
	pthread_cond_destroy(&s->done);
	pthread_cond_destroy(&s->to_do);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int
ag_syncer_start(int dir_fd, struct ag_syncer **out)
{
	struct ag_syncer *s = calloc(1, sizeof(*s));
	sigset_t all, before;
	int rc;

	if (!s)
		return -ENOMEM;
	s->dir_fd = dir_fd;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->to_do, NULL);
	pthread_cond_init(&s->done, NULL);
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0) {
		rc = -errno;
		syncer_free(s);
		return rc;
	}
	/* Signals are the loop's: the thread inherits a mask that lets none through. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&s->thread, NULL, syncer_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc < 0) {
		syncer_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
ag_syncer_stop(struct ag_syncer *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_cond_signal(&s->to_do);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	syncer_free(s);
}

int
ag_syncer_event_fd(const struct ag_syncer *s)
{
	return s->event_fd;
}

void
ag_syncer_sync(struct ag_syncer *s, int fd, bool with_dir)
{
	pthread_mutex_lock(&s->lock);
	assert(s->sync == SYNC_NONE && fd >= 0);
	s->fd = fd;
	s->with_dir = with_dir;
	s->sync = SYNC_ASKED;
	pthread_cond_signal(&s->to_do);
	pthread_mutex_unlock(&s->lock);
}

bool
ag_syncer_take(struct ag_syncer *s, bool is_patient, int *out_rc)
{
	uint64_t events;
	bool has_ended;

	pthread_mutex_lock(&s->lock);
	while (is_patient && s->sync == SYNC_ASKED)
		pthread_cond_wait(&s->done, &s->lock);
	has_ended = s->sync == SYNC_ENDED;
	if (has_ended) {
		*out_rc = s->rc;
		s->sync = SYNC_NONE;
		/* Under the lock, so that it cannot be the event of a sync to come. */
		if (read(s->event_fd, &events, sizeof(events)) < 0)
			assert(errno == EAGAIN || errno == EINTR);
	}
	pthread_mutex_unlock(&s->lock);
	return has_ended;
}

bool
ag_syncer_unlink(struct ag_syncer *s, const char *name)
{
	bool has_room;

	assert(strlen(name) < AG_SYNCER_NAME_LEN);
	pthread_mutex_lock(&s->lock);
	has_room = s->n_unlinks < AG_SYNCER_UNLINKS;
	if (has_room) {
		unsigned at = (s->first_unlink + s->n_unlinks++) % AG_SYNCER_UNLINKS;

		memset(s->unlinks[at], 0, AG_SYNCER_NAME_LEN);
		memcpy(s->unlinks[at], name, strlen(name));
		pthread_cond_signal(&s->to_do);
	}
	pthread_mutex_unlock(&s->lock);
	return has_room;
}

unsigned
ag_syncer_unlinks_failed(struct ag_syncer *s, int *out_errno)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->n_failed;
	*out_errno = s->failed_errno;
	s->n_failed = 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}
