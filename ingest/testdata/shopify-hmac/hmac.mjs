// Asks Shopify's own library about signatures: node hmac.mjs <directory with node_modules>
//
// Standard input has one JSON object a line: secret, body_base64 (of UTF-8 text, the form in which the library takes bodies)
// and hmac, a signature to judge. Standard output has for each: hmac, as the library computes it, and valid, whether the
// library's webhooks.validate takes the signature that was given.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const require = createRequire(process.argv[2] + '/');
require('@shopify/shopify-api/adapters/web-api');
const { shopifyApi, ApiVersion } = require('@shopify/shopify-api');
const { createSHA256HMAC, HashFormat } = require('@shopify/shopify-api/runtime');

const apps = new Map();

// app returns the library configured with a client secret.
function app(secret) {
  if (!apps.has(secret)) {
    apps.set(secret, shopifyApi({
      apiKey: 'key',
      apiSecretKey: secret,
      hostName: 'millrace.example',
      apiVersion: Object.values(ApiVersion)[0],
      isEmbeddedApp: false,
      logger: { log: () => {} },
    }));
  }
  return apps.get(secret);
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { secret, body_base64, hmac } = JSON.parse(line);
  const rawBody = Buffer.from(body_base64, 'base64').toString('utf8');
  const rawRequest = new Request('https://millrace.example/webhooks', {
    method: 'POST',
    headers: {
      'X-Shopify-Hmac-Sha256': hmac,
      'X-Shopify-Topic': 'orders/create',
      'X-Shopify-Shop-Domain': 'acme.myshopify.com',
      'X-Shopify-API-Version': '2026-10',
      'X-Shopify-Webhook-Id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
    },
  });
  const { valid } = await app(secret).webhooks.validate({ rawBody, rawRequest });
  console.log(JSON.stringify({ hmac: await createSHA256HMAC(secret, rawBody, HashFormat.Base64), valid }));
}
