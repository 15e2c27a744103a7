#include "control/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "control/alerts.h"
#include "control/control.h"
#include "shm/catalog_area.h"
#include "shm/counters.h"
#include "shm/keytab.h"

void
ag_plan_init(struct ag_plan *p)
{
	*p = (struct ag_plan){ 0 };
	ag_buf_init(&p->blob, 0);
}

void
ag_plan_fini(struct ag_plan *p)
{
	for (size_t i = 0; i < p->n_keys; i++)
		free(p->keys[i].metadata);
	free(p->meters);
	free(p->keys);
	free(p->gone_keys);
	free(p->gone_formers);
	free(p->gone_meters);
	ag_buf_fini(&p->blob);
	ag_plan_init(p);
}

void
ag_plan_abandon(struct ag_plan *p, struct ag_control *ctl)
{
	for (size_t i = 0; i < p->n_meters; i++)
		if (p->meters[i].is_new) {
			ag_metertab_free(ctl->ctx->shm, p->meters[i].ix);
			ctl->freed_meters++;
		}
	ag_plan_fini(p);
}

/* Room for one more of `size` bytes at *array. */
static int
grow(void *array, size_t n, size_t *cap, size_t size)
{
	void **p = array;
	size_t want = *cap ? *cap * 2 : 8;
	void *more;

	if (n < *cap)
		return 0;
	more = reallocarray(*p, want, size);
	if (!more)
		return -ENOMEM;
	*p = more;
	*cap = want;
	return 0;
}

int
ag_plan_meter(struct ag_plan *p, struct ag_control *ctl, const struct ag_meter_def *def,
    uint32_t *out_ix, struct ag_err *err)
{
	struct ag_plan_meter m = { .def = *def };
	int rc;

	if (grow(&p->meters, p->n_meters, &p->cap_meters, sizeof(m)) < 0)
		return ag_err_set(err, -ENOMEM, "could not plan a meter: out of memory");
	/* An old one keeps its limits until the commit. */
	rc = ag_metertab_find(ctl->ctx->shm, def->id, &m.ix);
	if (rc < 0)
		rc = ag_metertab_put(ctl->ctx->shm, def, &m.ix, &m.is_new);
	if (rc == -ENOSPC)
		return ag_err_set(err, rc,
		    "the table of limits is full: %u slots, see directive max_meters",
		    ctl->ctx->shm->hdr->sizes.meters);
	if (rc < 0)
		return ag_err_set(err, rc, "could not place meter %lld: error %d",
		    (long long)def->id, -rc);
	p->meters[p->n_meters++] = m;
	*out_ix = m.ix;
	return 0;
}

int
ag_plan_meter_gone(struct ag_plan *p, int64_t meter_id)
{
	if (grow(&p->gone_meters, p->n_gone_meters, &p->cap_gone_meters, sizeof(meter_id)) < 0)
		return -ENOMEM;
	p->gone_meters[p->n_gone_meters++] = meter_id;
	return 0;
}

int
ag_plan_key(struct ag_plan *p, struct ag_control *ctl, const struct ag_key *key,
    struct ag_str metadata, struct ag_err *err)
{
	struct ag_plan_key k = { .key = *key };
	bool is_former = (key->flags & AG_KEY_FLAG_FORMER) != 0;
	struct ag_key standing;
	uint32_t room = ctl->ctx->shm->hdr->sizes.keys / 2;

	if ((is_former ? ag_keytab_get_former(ctl->keys, key->id, &standing)
	    : ag_keytab_get_by_id(ctl->keys, key->id, &standing)) < 0 &&
	    ag_keytab_count(ctl->keys) + p->n_keys >= room)
		return ag_err_set(err, -ENOSPC, "the table of keys is full: %u, see directive max_keys",
		    room);
	if (metadata.n > 2048)
		return ag_err_set(err, -E2BIG, "metadata has %zu bytes, at most 2048 fit", metadata.n);
	if (grow(&p->keys, p->n_keys, &p->cap_keys, sizeof(k)) < 0)
		return ag_err_set(err, -ENOMEM, "could not plan a key: out of memory");
	if (metadata.n > 0) {
		k.metadata = strndup(metadata.p, metadata.n);
		if (!k.metadata)
			return ag_err_set(err, -ENOMEM, "could not plan a key: out of memory");
	}
	p->keys[p->n_keys++] = k;
	return 0;
}

int
ag_plan_key_gone(struct ag_plan *p, int64_t key_id)
{
	if (grow(&p->gone_keys, p->n_gone_keys, &p->cap_gone_keys, sizeof(key_id)) < 0)
		return -ENOMEM;
	p->gone_keys[p->n_gone_keys++] = key_id;
	return 0;
}

int
ag_plan_former_gone(struct ag_plan *p, int64_t key_id)
{
	if (grow(&p->gone_formers, p->n_gone_formers, &p->cap_gone_formers, sizeof(key_id)) < 0)
		return -ENOMEM;
	p->gone_formers[p->n_gone_formers++] = key_id;
	return 0;
}

static int
apply_keys(struct ag_plan *p, struct ag_control *ctl, struct ag_err *err)
{
	struct ag_shm_hdr *hdr = ctl->ctx->shm->hdr;

	for (size_t i = 0; i < p->n_keys; i++) {
		int rc = ag_keytab_put(ctl->keys, &p->keys[i].key, ag_str(p->keys[i].metadata));

		if (rc < 0)
			return ag_err_set(err, rc, "could not publish key %lld: %s",
			    (long long)p->keys[i].key.id, rc == -ENOSPC ? "no room" : "error");
		ag_count(AG_CNT_keys_changed);
	}
	for (size_t i = 0; i < p->n_gone_keys; i++)
		if (ag_keytab_del(ctl->keys, p->gone_keys[i]) == 0)
			ag_count(AG_CNT_keys_changed);
	for (size_t i = 0; i < p->n_gone_formers; i++)
		if (ag_keytab_del_former(ctl->keys, p->gone_formers[i]) == 0)
			ag_count(AG_CNT_keys_changed);
	if (p->n_keys + p->n_gone_keys + p->n_gone_formers > 0)
		ag_a32_publish(&hdr->key_epoch, ag_a32_get(&hdr->key_epoch) + 1);
	return 0;
}

int
ag_plan_apply(struct ag_plan *p, struct ag_control *ctl, struct ag_err *err)
{
	const struct ag_shm *shm = ctl->ctx->shm;
	uint32_t generation;
	int rc;

	for (size_t i = 0; i < p->n_meters; i++) {
		bool is_new;
		uint32_t ix;

		rc = ag_metertab_put(shm, &p->meters[i].def, &ix, &is_new);
		if (rc < 0)
			return ag_err_set(err, rc, "could not publish meter %lld",
			    (long long)p->meters[i].def.id);
		p->meters[i].is_new = false;
		ag_alerts_edited(ctl->alerts, ix);
	}
	rc = apply_keys(p, ctl, err);
	if (rc < 0)
		return rc;
	if (p->has_catalog) {
		rc = ag_catalog_publish(shm, p->blob.p, p->blob.n, &generation);
		if (rc < 0)
			return ag_err_set(err, rc, "could not publish the catalogue of %zu bytes",
			    p->blob.n);
		ag_count(AG_CNT_catalog_published);
	}
	/* Last: nothing published refers to them any more. */
	for (size_t i = 0; i < p->n_gone_meters; i++) {
		uint32_t ix;

		if (ag_metertab_find(shm, p->gone_meters[i], &ix) == 0) {
			ag_metertab_free(shm, ix);
			ctl->freed_meters++;
		}
	}
	return 0;
}
