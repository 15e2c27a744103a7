"""What a customer's key may call."""

import os

from portkey_ai import Portkey

client = Portkey(api_key=os.environ["CUSTOMER_KEY"], base_url=os.environ["GATEWAY_URL"])
for model in client.models.list().data:
    print(model.id)
