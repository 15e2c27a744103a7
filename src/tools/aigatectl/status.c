/* status.c - whether daemon and database answer. */
#include <json-c/json.h>

#include "tools/aigatectl/ctl.h"

static const char sql_counts[] =
	"SELECT (SELECT max(version) FROM aigate.schema_migration) AS schema_version,"
	" (SELECT count(*) FROM aigate.organisation WHERE status = 'active') AS organisations,"
	" (SELECT count(*) FROM aigate.workspace WHERE status = 'active') AS workspaces,"
	" (SELECT count(*) FROM aigate.api_key WHERE status = 'active') AS api_keys,"
	" (SELECT count(*) FROM aigate.price WHERE integration_id IS NULL) AS prices,"
	" (SELECT max(updated_at) FROM aigate.ledger_position) AS last_record_at,"
	" (SELECT count(*) FROM aigate.ledger_quarantine) AS quarantined,"
	" (SELECT count(*) FROM aigate.ledger_gap) AS gaps";

static const char *
daemon_state(enum ctl_exit status, struct json_object *answer)
{
	const char *text = ctl_json_text(answer, "status");

	return status != CTL_OK ? "no answer" : text[0] ? text : "answers";
}

enum ctl_exit
ctl_status(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *answer = NULL;
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0), daemon, db;
	PGresult *res = NULL;

	if (status != CTL_OK)
		return status;
	daemon = ctl_api(ctl, "GET", "/v1/operator/status", NULL, &answer);
	db = ctl_db_open(ctl);
	if (db == CTL_OK) {
		res = PQexec(ctl->db, sql_counts);
		db = ctl_db_check(ctl->db, res, "read the schema");
	}
	if (ctl->output == CTL_OUT_JSON)
		printf("{\"daemon\": \"%s\", \"database\": \"%s\"", daemon_state(daemon, answer),
		       db == CTL_OK ? "answers" : "no answer");
	else
		printf("%-15s %s\n%-15s %s\n", "daemon", daemon_state(daemon, answer), "database",
		       db == CTL_OK ? "answers" : "no answer");
	for (int c = 0; db == CTL_OK && c < PQnfields(res); c++) {
		const char *value = PQgetisnull(res, 0, c) ? NULL : PQgetvalue(res, 0, c);

		if (ctl->output == CTL_OUT_JSON)
			printf(", \"%s\": %s%s%s", PQfname(res, c), value ? "\"" : "", value ? value : "null",
			       value ? "\"" : "");
		else
			printf("%-15s %s\n", PQfname(res, c), value ? value : "-");
	}
	if (ctl->output == CTL_OUT_JSON)
		puts("}");
	PQclear(res);
	json_object_put(answer);
	return daemon != CTL_OK ? daemon : db;
}
