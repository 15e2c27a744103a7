noinst_LIBRARIES += src/worker/libworker.a
src_worker_libworker_a_SOURCES = \
	src/worker/adaptive.c \
	src/worker/admit.c \
	src/worker/bodies.c \
	src/worker/client.c src/worker/client.h \
	src/worker/limits.c \
	src/worker/edit.c \
	src/worker/endpoints.c \
	src/worker/event.c \
	src/worker/explain.c \
	src/worker/form.c src/worker/form.h \
	src/worker/media.c \
	src/worker/models.c \
	src/worker/objects.c \
	src/worker/policies.c \
	src/worker/passed.c \
	src/worker/origin.c src/worker/origin.h \
	src/worker/pricing.c \
	src/worker/relay.c src/worker/relay_head.c \
	src/worker/reply.c \
	src/worker/request.c src/worker/request.h \
	src/worker/rules.c \
	src/worker/send.c \
	src/worker/settle.c \
	src/worker/status.c \
	src/worker/take.c \
	src/worker/tools.c \
	src/worker/tokens.c src/worker/tokens.h \
	src/worker/trace.c \
	src/worker/translate.c src/worker/translate.h src/worker/translate_answer.c \
	src/worker/tell.c \
	src/worker/upstream.c src/worker/upstream.h \
	src/worker/wait.c src/worker/wait.h \
	src/worker/view.c src/worker/view.h \
	src/worker/worker.c src/worker/worker.h
EXTRA_DIST += src/worker/README.md
