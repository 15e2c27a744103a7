/* sockets.h - the listening sockets, made once by the master and inherited by the children. */
#ifndef AG_MASTER_SOCKETS_H
#define AG_MASTER_SOCKETS_H

#include "base/err.h"
#include "conf/conf.h"

/* Binds all of conf->listen; out_fds holds AG_LISTEN_MAX. Non-blocking, close-on-exec. */
int ag_sockets_listen(const struct ag_conf *conf, int *out_fds, uint8_t *out_is_tls, int *out_n,
    struct ag_err *err) AG_MUST_CHECK;

/* The listener of conf->metrics_listen; -1 when there is none. */
int ag_sockets_listen_metrics(const struct ag_conf *conf, int *out_fd, struct ag_err *err) AG_MUST_CHECK;

/* run_dir/ports: a line "address port tls|plain|metrics" for each, put in place in one step. */
int ag_sockets_write_ports(const char *run_dir, const int *fds, const uint8_t *is_tls, int n,
    int metrics_fd, struct ag_err *err) AG_MUST_CHECK;
void ag_sockets_log(const int *fds, const uint8_t *is_tls, int n, int metrics_fd);

/* A unix socket run_dir/name, mode 0600, in the place of a stale one. */
int ag_sockets_listen_unix(const char *run_dir, const char *name, int *out_fd,
    struct ag_err *err) AG_MUST_CHECK;

#endif
