"""One gateway before every family of providers, all of them played by one simulator.

What the SDKs are asked is the same everywhere; what each cell of SDK, task and family must give is in
test_clients_matrix.py."""

import json

from gateway import Gateway
from mock import Mock
from tokens import service_account

HELLO = "Hello from the mock."
WORDS = "amber birch cedar delta ember flint grove"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

# family: model, what makes it an embedding
MODELS = {
    "openai": ("gpt-4o", "text-embedding-3-small"),
    "azure-openai": ("gpt-4o", "gpt-4o"),
    "anthropic": ("claude-sonnet-4-5", "claude-sonnet-4-5"),
    "google": ("gemini-2.5-flash", "gemini-embedding-001"),
    "vertex-ai": ("gemini-2.5-flash", "gemini-embedding-001"),
    "bedrock": ("amazon.nova-pro-v1:0", "cohere.embed-v4:0"),
    "cohere": ("command-a-03-2025", "embed-v4.0"),
    "mistral-ai": ("mistral-large-latest", "mistral-embed"),
    "together-ai": ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "BAAI/bge-large-en-v1.5"),
}


def _configurations(url, endpoint):
    """Of each family: what an integration needs besides its key; None as key: it has none."""
    account, _ = service_account(endpoint)
    return {
        "openai": ("k", {"custom_host": url + "/v1"}),
        "azure-openai": ("k", {"custom_host": url + "/openai", "azure_resource_name": "res", "azure_deployment_config": [{
            "azure_deployment_name": "dep", "azure_api_version": "2024-10-21", "azure_model_slug": "gpt-4o",
            "is_default": True}]}),
        "anthropic": ("k", {"custom_host": url + "/v1"}),
        "google": ("k", {"custom_host": url + "/v1beta"}),
        "vertex-ai": (None, {"custom_host": url, "vertex_region": "europe-west4", "vertex_auth_type": "serviceAccount",
                             "vertex_service_account_json": account}),
        "bedrock": (None, {"custom_host": url, "aws_region": "eu-west-1", "aws_auth_type": "accessKey",
                           "aws_access_key_id": "AKIDEXAMPLEOFTESTS", "aws_secret_access_key": SECRET}),
        "cohere": ("k", {"custom_host": url}),
        "mistral-ai": ("k", {"custom_host": url + "/mistral/v1"}),
        "together-ai": ("k", {"custom_host": url}),
    }


class Families:
    """The gateway, its simulator and a key that may use all of them."""

    def __init__(self, pg_cluster):
        self.mock = Mock.start(pedantic=True, aws_secret=SECRET, do="tokens=7 prompt_tokens=21")
        self.gateway = Gateway(pg_cluster, mock=self.mock, conf={"workers": "1"})
        workspace = self.gateway.default_workspace()
        for family, (key, settings) in _configurations(self.mock.url, self.mock).items():
            self.gateway.admin("POST", "/integrations", {
                "name": family, "slug": family, "ai_provider_id": family, "configurations": settings,
                **({"key": key} if key else {})})
            self.gateway.grant(family, workspace)
        self.key = str(self.gateway.key())
        self.root = self.gateway.url.removesuffix("/v1")

    def model(self, family, is_embedding=False):
        return f"@{family}/{MODELS[family][is_embedding]}"

    def environment(self):
        """What the Node programs are told."""
        return {"GATEWAY_URL": self.gateway.url, "GATEWAY_ROOT": self.root, "CUSTOMER_KEY": self.key,
                "MODELS": json.dumps({f: [self.model(f), self.model(f, True)] for f in MODELS})}

    def close(self):
        self.gateway.close()
        self.mock.stop()
