/* status.c - whether daemon and database answer. */
#include <json-c/json.h>

#include "tools/aigatectl/ctl.h"

static const char sql_counts[] =
	"SELECT row_to_json(t) FROM (SELECT (SELECT max(version) FROM aigate.schema_migration) AS schema_version,"
	" (SELECT count(*) FROM aigate.organisation WHERE status = 'active') AS organisations,"
	" (SELECT count(*) FROM aigate.workspace WHERE status = 'active') AS workspaces,"
	" (SELECT count(*) FROM aigate.api_key WHERE status = 'active') AS api_keys,"
	" (SELECT count(*) FROM aigate.price WHERE integration_id IS NULL) AS prices,"
	" (SELECT max(updated_at) FROM aigate.ledger_position) AS last_record_at,"
	" (SELECT count(*) FROM aigate.ledger_quarantine) AS quarantined,"
	" (SELECT count(*) FROM aigate.ledger_gap) AS gaps) t";

static const struct ctl_column daemon_columns[] = {
	{ "daemon", "why_not", NULL },
	{ "segment", "segment", NULL },
	{ "database seen", "database", NULL },
	{ "keys", "keys", NULL },
	{ "keys at most", "keys_max", NULL },
	{ "catalogue", "catalog_generation", NULL },
	{ "loaded", "loaded_at", NULL },
};
static const struct ctl_column count_columns[] = {
	{ "schema", "schema_version", NULL },
	{ "organisations", "organisations", NULL },
	{ "workspaces", "workspaces", NULL },
	{ "API keys", "api_keys", NULL },
	{ "prices", "prices", NULL },
	{ "last record", "last_record_at", NULL },
	{ "quarantined", "quarantined", NULL },
	{ "gaps", "gaps", NULL },
};

static enum ctl_exit
read_counts(struct ctl *ctl, struct json_object **out)
{
	enum ctl_exit status = ctl_db_open(ctl);
	PGresult *res;

	if (status != CTL_OK)
		return status;
	res = PQexec(ctl->db, sql_counts);
	status = ctl_db_check(ctl->db, res, "read the schema");
	if (status == CTL_OK)
		*out = json_tokener_parse(PQgetvalue(res, 0, 0));
	PQclear(res);
	return status;
}

static void
print_tables(struct ctl *ctl, struct json_object *daemon, struct json_object *counts)
{
	if (daemon) {
		/* Nothing keeps it from serving: say so, rather than nothing. */
		if (!ctl_json_at(daemon, "why_not"))
			json_object_object_add(daemon, "why_not", json_object_new_string("serves"));
		ctl_print_one(ctl, daemon, daemon_columns, AG_ARRAY_LEN(daemon_columns));
	}
	if (counts)
		ctl_print_one(ctl, counts, count_columns, AG_ARRAY_LEN(count_columns));
}

enum ctl_exit
ctl_status(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *daemon = NULL, *counts = NULL, *both;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0), db;

	if (status != CTL_OK)
		return status;
	status = ctl_api(ctl, "GET", "/v1/operator/status", NULL, &daemon);
	db = read_counts(ctl, &counts);
	if (ctl->output != CTL_OUT_TABLE) {
		both = json_object_new_object();
		json_object_object_add(both, "daemon", json_object_get(daemon));
		json_object_object_add(both, "database", json_object_get(counts));
		ctl_print_tree(ctl, both);
		json_object_put(both);
	} else {
		print_tables(ctl, daemon, counts);
	}
	json_object_put(daemon);
	json_object_put(counts);
	return status != CTL_OK ? status : db;
}
