// The models a key may call, one a line.
import { clientOf } from './client.mjs';

const list = await clientOf(process.argv[2], process.env.CUSTOMER_KEY).models.list();
for (const model of list.data) console.log(model.id);
