"""What a provider keeps belongs to the workspace that made it, whoever shares the account."""

import json

import pytest

from gateway import chat_body, wait
from plane import (_provider, plane, provider)  # noqa: F401

CONF = {"workers": "2"}
NAMED = {"x-portkey-provider": "@mock"}
IDS = iter(range(10**6))


@pytest.fixture(scope="module")
def tenants(plane):
    """Keys of two workspaces that share one integration."""
    return plane.key(workspace=plane.workspace("objects a")), plane.key(workspace=plane.workspace("objects b"))


def new_id(prefix):
    return f"{prefix}{next(IDS):08d}x"


def make(plane, key, path, kind, body=None, headers=NAMED):
    """Makes one; its id as the provider gave it."""
    made = new_id(kind)
    plane.mock.script(match={"path": path}, times=1, body=json.dumps({"id": made, "object": "x"}))
    assert plane.post(key, body or {}, path, headers=headers).status == 200
    return made


def upload(plane, key):
    made = new_id("file-")
    plane.mock.script(match={"path": "/v1/files"}, times=1, body=json.dumps({"id": made, "object": "file"}))
    parts = ('--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
             '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{"file_id": "file-1"}\r\n--b--\r\n')
    answer = plane.ask("POST", "/v1/files", {"authorization": f"Bearer {key}", **NAMED,
                                             "content-type": "multipart/form-data; boundary=b"}, parts)
    assert answer.status == 200, answer
    return made


def call(plane, key, method, path, body=None, headers=NAMED):
    return plane.ask(method, path, {"authorization": f"Bearer {key}", **headers}, body)


def passes(plane, key, method, path, body=None, headers=NAMED):
    plane.mock.script(match={"path": path.partition("?")[0]}, times=1, body="{}")
    return call(plane, key, method, path, body, headers).status == 200


def is_unknown(answer, name):
    return answer.status == 404 and answer.json["error"]["message"] == f"No such object: {name}" and \
        answer.json["error"]["type"] == "invalid_request_error"


# -- by id -------------------------------------------------------------------------------------

@pytest.mark.parametrize("path, kind", [
    ("/v1/vector_stores", "vs_"), ("/v1/containers", "cntr_"), ("/v1/conversations", "conv_"),
    ("/v1/batches", "batch_"), ("/v1/assistants", "asst_"), ("/v1/threads", "thread_"), ("/v1/uploads", "upload_"),
    ("/v1/fine_tuning/jobs", "ftjob-"), ("/v1/videos", "video_"), ("/v1/evals", "eval_")])
def test_an_object_is_its_makers_alone(plane, provider, tenants, path, kind):
    one, other = tenants
    made = make(plane, one, path, kind)
    for method, behind in (("GET", ""), ("POST", ""), ("GET", "/content"), ("POST", "/cancel"), ("DELETE", "")):
        seen = provider.stats()["requests"]
        assert is_unknown(call(plane, other, method, f"{path}/{made}{behind}"), made)
        assert provider.stats()["requests"] == seen
    for method, behind in (("GET", ""), ("GET", "/content"), ("POST", "/cancel")):
        assert passes(plane, one, method, f"{path}/{made}{behind}")
        assert provider.last()["head"].startswith(f"{method} {path}/{made}{behind} ")


def test_a_file_is_its_makers_alone(plane, provider, tenants):
    one, other = tenants
    made = upload(plane, one)
    assert passes(plane, one, "GET", f"/v1/files/{made}/content")
    assert is_unknown(call(plane, other, "GET", f"/v1/files/{made}/content"), made)
    assert is_unknown(call(plane, other, "DELETE", f"/v1/files/{made}"), made)
    assert is_unknown(call(plane, one, "GET", f"/v1/files/{made}x"), f"{made}x")
    assert passes(plane, one, "DELETE", f"/v1/files/{made}")
    assert is_unknown(call(plane, one, "GET", f"/v1/files/{made}"), made), "it is gone"
    plane.wait_flushed()
    assert plane.sql(f"SELECT count(*) FROM aigate.provider_object WHERE object_id = '{made}'") == 0


def test_another_key_of_the_workspace_may(plane, provider, tenants):
    workspace = plane.workspace("objects c")
    made = upload(plane, plane.key(workspace=workspace))
    assert passes(plane, plane.key(workspace=workspace), "GET", f"/v1/files/{made}")


def test_an_integration_is_an_account_of_its_own(plane, provider, tenants):
    """The same id by another integration is another object."""
    workspace = plane.workspace("objects d")
    plane.grant(plane.integration(slug="elsewhere"), workspace)
    key = plane.key(workspace=workspace)
    made = upload(plane, key)
    assert is_unknown(call(plane, key, "GET", f"/v1/files/{made}", headers={"x-portkey-provider": "@elsewhere"}), made)


def test_nobody_is_shown_a_list_of_all(plane, provider, tenants):
    seen = provider.stats()["requests"]
    for path in ("/v1/files", "/v1/files/", "/v1/files?purpose=batch", "/v1/batches", "/v1/vector_stores",
                 "/v1/responses", "/v1/chat/completions"):
        answer = call(plane, tenants[0], "GET", path)
        assert answer.status in (403, 405), path
        assert answer.status == 405 or answer.json["error"]["code"] == "shared_account"
    for method, path in (("GET", "/v1/other"), ("GET", "/v1/organization/users"), ("POST", "/v1/skills"),
                         ("DELETE", "/v1/files"), ("POST", "/v1/agents/ag_123/completions")):
        answer = call(plane, tenants[0], method, path, {"model": "gpt-4o-mini"} if "agents" in path else None)
        assert answer.status == 403 and "shared_objects" in answer.json["error"]["message"], path
    assert provider.stats()["requests"] == seen


def test_what_a_batch_writes_is_its_makers(plane, provider, tenants):
    one, other = tenants
    batch, written, errors = make(plane, one, "/v1/batches", "batch_"), new_id("file-"), new_id("file-")
    assert is_unknown(call(plane, one, "GET", f"/v1/files/{written}/content"), written)
    provider.script(match={"path": f"/v1/batches/{batch}"}, body=json.dumps({
        "id": batch, "output_file_id": written, "error_file_id": errors, "metadata": {"output_file_id": "file-9"}}))
    assert passes(plane, one, "GET", f"/v1/batches/{batch}")
    for file in (written, errors):
        assert passes(plane, one, "GET", f"/v1/files/{file}/content")
        assert is_unknown(call(plane, other, "GET", f"/v1/files/{file}/content"), file)


def test_what_a_file_says_makes_nobody_an_owner(plane, provider, tenants):
    """Its content is the client's own: it may look like a batch that was written by another."""
    one, other = tenants
    file, foreign = upload(plane, other), new_id("file-")
    provider.script(match={"path": f"/v1/files/{file}/content"}, body=json.dumps({
        "id": foreign, "output_file_id": foreign, "file": {"id": foreign}}))
    assert passes(plane, other, "GET", f"/v1/files/{file}/content")
    assert is_unknown(call(plane, other, "GET", f"/v1/files/{foreign}"), foreign)


def test_what_is_told_as_new_but_is_anothers_stays_his(plane, provider, tenants):
    one, other = tenants
    made = upload(plane, one)
    unowned = plane.counter("objects_unowned")
    provider.script(match={"path": "/v1/files"}, times=1, body=json.dumps({"id": made}))
    assert passes(plane, other, "POST", "/v1/files", {})
    wait(lambda: plane.counter("objects_unowned") == unowned + 1, "it to be counted")
    assert is_unknown(call(plane, other, "GET", f"/v1/files/{made}"), made)
    assert passes(plane, one, "GET", f"/v1/files/{made}")


# -- named in bodies ---------------------------------------------------------------------------

@pytest.mark.parametrize("path, body", [
    ("/v1/batches", {"input_file_id": "ID", "endpoint": "/v1/chat/completions"}),
    ("/v1/fine_tuning/jobs", {"model": "gpt-4o-mini", "training_file": "ID"}),
    ("/v1/vector_stores", {"file_ids": ["ID"]}),
    ("/v1/evals", {"data_source": {"source": {"type": "file_id", "id": "ID"}}}),
    ("/v1/threads", {"messages": [{"role": "user", "content": "hi", "attachments": [{"file_id": "ID"}]}]}),
    ("/v1/other/completions", {"model": "gpt-4o-mini", "x": {"input": [{"file_id": "ID"}]}}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": "hi", "previous_response_id": "ID"}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": "hi", "conversation": {"id": "ID"}}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": "hi", "conversation": "ID"}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": [{"type": "item_reference", "id": "ID"}]}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": [
        {"role": "user", "content": [{"type": "input_image", "file_id": "ID"}]}]}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": [
        {"role": "user", "content": [{"type": "input_file", "file_id": "ID"}]}]}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": "hi",
                       "tools": [{"type": "file_search", "vector_store_ids": ["ID"]}]}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": "hi",
                       "tools": [{"type": "code_interpreter", "container": "ID"}]}),
    ("/v1/responses", {"model": "@mock/gpt-4o-mini", "input": "hi",
                       "tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["ID"]}}]}),
    ("/v1/chat/completions", {"model": "@mock/gpt-4o-mini", "messages": [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "ID"}}]}]}),
    ("/v1/images/edits", {"model": "@mock/gpt-image-1", "prompt": "x", "images": [{"file_id": "ID"}]}),
    ("/v1/images/generations", {"model": "@mock/gpt-image-1", "prompt": "x", "x": {"file_id": "ID"}}),
    ("/v1/chat/completions", {"model": "@mock/gpt-4o-mini", "messages": [
        {"role": "assistant", "audio": {"id": "ID"}}, {"role": "user", "content": "again"}]}),
])
def test_who_did_not_make_it_cannot_name_it_either(plane, provider, tenants, path, body):
    one, other = tenants
    made = upload(plane, one)
    text = json.dumps(body).replace("ID", made)
    seen = provider.stats()["requests"]
    for spelled in (text, text.replace("_id", "\\u005fid").replace("conversation", "\\u0063onversation")
                    .replace("container", "c\\u006fntainer").replace("item_", "item\\u005f")):
        answer = call(plane, other, "POST", path, spelled.encode(),
                      {**NAMED, "content-type": "application/json"})
        assert is_unknown(answer, made) or answer.status == 400, answer
    assert is_unknown(call(plane, other, "POST", path, json.loads(text)), made)
    assert provider.stats()["requests"] == seen
    assert passes(plane, one, "POST", path, json.loads(text))


def test_a_form_does_not_name_what_is_anothers(plane, provider, tenants):
    one, other = tenants
    made, container = upload(plane, one), make(plane, other, "/v1/containers", "cntr_")
    form = f'--b\r\nContent-Disposition: form-data; name="file_id"\r\n\r\n{made}\r\n--b--\r\n'
    headers = {**NAMED, "content-type": "multipart/form-data; boundary=b"}
    assert is_unknown(call(plane, other, "POST", f"/v1/containers/{container}/files", form, headers), made)
    odd = {**NAMED, "content-type": "application/octet-stream"}
    assert call(plane, other, "POST", f"/v1/containers/{container}/files", "file_id=" + made, odd).status == 400


def test_a_clients_own_data_may_have_any_names(plane, provider, tenants):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {
        "type": "object", "properties": {"file_id": {"type": "string"}}}}}]
    body = chat_body("hi", tools=tools, metadata={"file_id": "file-1"})
    body["messages"] = [{"role": "user", "content": [
        {"type": "text", "text": "file_id"}, {"type": "file", "file": {"file_data": "data:,x", "filename": "file_id"}}]}]
    assert plane.post(tenants[1], body).status == 200


# -- stored answers ----------------------------------------------------------------------------

def respond(plane, key, **fields):
    made = new_id("resp_")
    answer = {"id": made, "object": "response", "status": "completed", "model": "gpt-4o-mini", "output": [],
              "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}
    if fields.get("stream"):
        body = "".join(f"event: {kind}\ndata: {json.dumps({'type': kind, 'response': answer})}\n\n"
                       for kind in ("response.created", "response.completed"))
        plane.mock.script(match={"path": "/v1/responses"}, times=1, body=body, content_type="text/event-stream")
    else:
        plane.mock.script(match={"path": "/v1/responses"}, times=1, body=json.dumps(answer))
    assert plane.post(key, {"model": "@mock/gpt-4o-mini", "input": "hi", **fields}, "/v1/responses").status == 200
    return made


@pytest.mark.parametrize("stream", (False, True))
def test_a_stored_answer_is_read_and_continued_by_its_maker(plane, provider, tenants, stream):
    one, other = tenants
    made = respond(plane, one, stream=stream)
    assert is_unknown(call(plane, other, "GET", f"/v1/responses/{made}"), made)
    assert is_unknown(call(plane, other, "DELETE", f"/v1/responses/{made}"), made)
    assert passes(plane, one, "GET", f"/v1/responses/{made}/input_items")
    follow = {"model": "@mock/gpt-4o-mini", "input": "more", "previous_response_id": made}
    assert is_unknown(plane.post(other, follow, "/v1/responses"), made)
    assert passes(plane, one, "POST", "/v1/responses", follow)


@pytest.mark.parametrize("stream", (False, True))
def test_items_of_a_stored_answer_are_named_alone(plane, provider, tenants, stream):
    one, other = tenants
    item, container = new_id("msg_"), new_id("cntr_")
    items = [{"type": "message", "id": item}, {"type": "code_interpreter_call", "id": "ci_1", "container_id": container}]
    answer = {"id": new_id("resp_"), "status": "completed", "output": items, "usage": {"input_tokens": 1, "output_tokens": 1}}
    body, kind = json.dumps(answer), "application/json"
    if stream:
        events = [("response.output_item.done", {"item": i}) for i in items] + [("response.completed", {"response": answer})]
        body = "".join(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events)
        kind = "text/event-stream"
    provider.script(match={"path": "/v1/responses"}, times=1, body=body, content_type=kind)
    ask = {"model": "@mock/gpt-4o-mini", "input": "hi", "stream": stream}
    assert plane.post(one, ask, "/v1/responses").status == 200
    more = {**ask, "stream": False, "input": [{"type": "item_reference", "id": item}]}
    assert is_unknown(plane.post(other, more, "/v1/responses"), item)
    assert passes(plane, one, "POST", "/v1/responses", more)
    assert is_unknown(call(plane, other, "GET", f"/v1/containers/{container}/files/cfile_1/content"), container)
    assert passes(plane, one, "GET", f"/v1/containers/{container}/files/cfile_1/content")


def test_an_answer_that_is_not_stored_takes_no_place(plane, provider, tenants):
    made = respond(plane, tenants[0], store=False)
    assert is_unknown(call(plane, tenants[0], "GET", f"/v1/responses/{made}"), made)


def test_reading_an_answer_again_is_not_paid_again(plane, provider, tenants):
    made = respond(plane, tenants[0])
    provider.script(match={"path": f"/v1/responses/{made}"}, body=json.dumps({
        "id": made, "model": "gpt-4o-mini", "usage": {"input_tokens": 1000, "output_tokens": 1000}}))
    assert passes(plane, tenants[0], "GET", f"/v1/responses/{made}")
    plane.wait_flushed()
    (row,) = plane.rows("SELECT charged_nusd, input_fresh, output_total FROM aigate.ledger "
                        "ORDER BY received_at DESC LIMIT 1")
    assert row == (0, 0, 0)


# -- when the operator says so -----------------------------------------------------------------

def test_an_account_may_be_shared(plane, provider):
    workspace = plane.workspace("objects e")
    plane.grant(plane.integration(slug="ours", configurations={"shared_objects": True}), workspace)
    ours = {"x-portkey-provider": "@ours"}
    key = plane.key(workspace=workspace)
    for method, path in (("GET", "/v1/files"), ("GET", "/v1/files/file-1"), ("GET", "/v1/other")):
        assert passes(plane, key, method, path, headers=ours)
    no = plane.admin_ask("PUT", "/integrations/ours", {"configurations": {"shared_objects": "yes"}})
    assert no.status == 400 and "shared_objects: must be true or false" in no.message
    made = upload_by(plane, key, ours)
    conf = plane.sql("select configurations from aigate.integration where slug = 'ours'")
    plane.admin("PUT", "/integrations/ours", {"configurations": {**conf, "shared_objects": False}})
    assert call(plane, key, "GET", "/v1/files", headers=ours).status == 403
    assert passes(plane, key, "GET", f"/v1/files/{made}", headers=ours), "who made it was noted all the same"


def upload_by(plane, key, headers):
    return make(plane, key, "/v1/files", "file-", headers=headers)


def test_an_anthropic_account_is_told_in_its_own_words(plane, provider):
    workspace = plane.workspace("objects f")
    plane.grant(plane.integration(slug="claude", family="anthropic"), workspace)
    headers, key = {"x-portkey-provider": "@claude"}, plane.key(workspace=workspace)
    no = call(plane, key, "GET", "/v1/files/file_1", headers=headers)
    assert no.status == 404 and no.json["type"] == "error" and no.json["error"]["message"] == "No such object: file_1"
    made = make(plane, key, "/v1/files", "file_", headers=headers)
    assert passes(plane, key, "GET", f"/v1/files/{made}", headers=headers)
    body = {"model": "@claude/claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": [
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}]}
    assert plane.post(key, body, "/v1/messages").status == 404
    body["messages"][0]["content"][0]["source"]["file_id"] = made
    assert plane.post(key, body, "/v1/messages").status == 200
    assert plane.post(key, {**body, "container": "container_1"}, "/v1/messages").status == 404
    body["messages"][0]["content"][0]["source"]["file_id"] = "file_1"
    assert plane.post(key, body, "/v1/messages/count_tokens").status == 404


@pytest.mark.parametrize("fields, status", [
    ({"cachedContent": "cachedContents/x"}, 404), ({"cached_content": "cachedContents/x"}, 404),
    ({"contents": [{"parts": [{"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}}]}]}, 404),
    ({"contents": [{"parts": [{"file_data": {"file_uri": "gs://bucket/x"}}]}]}, 404),
    ({"contents": [{"parts": [{"file_data": {"file_uri": "https://www.youtube.com/watch?v=x"}}]}]}, 200)])
def test_what_google_keeps_is_nobodys_but_addresses_are_everybodys(plane, provider, fields, status):
    plane.grant(plane.integration(slug="gem", family="google"), plane.default_workspace())
    body = {"contents": [{"parts": [{"text": "x"}]}], **fields}
    for action in ("generateContent", "countTokens"):
        provider.script(times=1, body="{}")
        answer = plane.post(plane.key(), body, f"/v1beta/models/@gem/gemini-2.5-flash:{action}")
        assert answer.status == status, answer
        provider.clear()


# -- when something dies -----------------------------------------------------------------------

def test_owners_survive_restart_and_reboot(gateway_factory, mock):
    gateway = gateway_factory(mock=mock)
    one, other = (gateway.key(workspace=gateway.workspace(n)) for n in ("a", "b"))
    file, answer = upload(gateway, one), respond(gateway, one)
    batch, written = make(gateway, one, "/v1/batches", "batch_"), new_id("file-")
    mock.script(match={"path": f"/v1/batches/{batch}"}, body=json.dumps({"id": batch, "output_file_id": written}))
    assert passes(gateway, one, "GET", f"/v1/batches/{batch}")
    gateway.wait_flushed()
    assert gateway.rows("SELECT object_id, is_fleeting FROM aigate.provider_object ORDER BY created_at") == [
        (file, False), (answer, True), (batch, False), (written, False)]
    for _ in range(2):
        for path in (f"/v1/files/{file}", f"/v1/responses/{answer}", f"/v1/batches/{batch}", f"/v1/files/{written}"):
            assert passes(gateway, one, "GET", path), path
            assert call(gateway, other, "GET", path).status == 404, path
        gateway.stop()
        gateway.unlink_segment()
        gateway.start()


def test_what_a_dead_worker_had_made_is_nobodys(gateway_factory, mock):
    """Killed between the provider's answer and its note: refused to all, open to nobody."""
    gateway = gateway_factory(mock=mock, conf={"workers": "1"})
    gateway.expect_error(r"died of signal 9|last words|attempt failed")
    one, other = (gateway.key(workspace=gateway.workspace(n)) for n in ("a", "b"))
    made = new_id("file-")
    mock.script(match={"path": "/v1/files"}, times=1, body=json.dumps({"id": made}), wait="go")
    pending = gateway.post_async(one, {}, "/v1/files", headers=NAMED)
    mock.wait_stat("requests", 1)
    dead = gateway.kill9("worker")
    mock.release("go")
    gateway.wait_new("worker", 0, dead)
    with pytest.raises(Exception):
        pending.answer()
    gateway.wait_ready()
    for key in (one, other):
        assert is_unknown(call(gateway, key, "GET", f"/v1/files/{made}"), made)
