// Webhooks of vendors, signed by their npm packages. Where a package only verifies, node:crypto signs and the package
// agrees. Called by test/flow/independent-clients.test.ts.
import { macOf, nowSeconds } from '../signers.ts'
import { json, secrets, type Client } from './known.ts'
import type { Packages } from './packages.ts'

export function webhookClients(packages: Packages, authority: string): Client[] {
  const hook = (
    who: string,
    route: string,
    signature: RegExp,
    headers: readonly string[],
    sign: () => Record<string, string> | Promise<Record<string, string>>,
    more: Partial<Client> = {},
  ): Client => ({
    who,
    route,
    consumer: `of-${route}`,
    async sign() {
      const sent = { 'content-type': 'application/json', host: authority, ...(await sign()) }
      return { method: 'POST', target: `/${route}/hook`, headers: sent, body: json }
    },
    signature,
    headers,
    signsTarget: false,
    ...more,
  })
  const standard = (prefix: string, Webhook: Packages['Svix']) => (): Record<string, string> => ({
    [`${prefix}-id`]: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    [`${prefix}-timestamp`]: String(nowSeconds()),
    [`${prefix}-signature`]: new Webhook(secrets.webhook).sign('msg_p5jXN8AQM9LWM0D4loKWxJek', new Date(), json),
  })
  const apiSecretKey = secrets.vendor
  return [
    hook('npm stripe', 'stripe', /^stripe-signature: .*v1=([0-9a-f]+)$/, ['stripe-signature'], () => ({
      'stripe-signature': packages.stripe.webhooks.generateTestHeaderString({ payload: json, secret: secrets.stripe }),
    })),
    hook(
      'npm svix',
      'svix',
      /^svix-signature: v1,(.+)$/,
      ['svix-id', 'svix-timestamp'],
      standard('svix', packages.Svix),
    ),
    hook(
      'npm standardwebhooks',
      'standard-webhooks',
      /^webhook-signature: v1,(.+)$/,
      ['webhook-id', 'webhook-timestamp'],
      standard('webhook', packages.StandardWebhook),
    ),
    hook('npm @octokit/webhooks-methods', 'github', /^x-hub-signature-256: sha256=(.+)$/, [], async () => ({
      'x-hub-signature-256': await packages.octokit.sign(secrets.vendor, json),
    })),
    hook(
      'node:crypto, as npm @slack/bolt verifies',
      'slack',
      /^x-slack-signature: v0=(.+)$/,
      ['x-slack-request-timestamp'],
      () => {
        const at = String(nowSeconds())
        const signature = macOf('sha256', secrets.vendor, `v0:${at}:${json}`).toString('hex')
        return { 'x-slack-request-timestamp': at, 'x-slack-signature': `v0=${signature}` }
      },
      {
        agrees: ({ headers, body }) =>
          packages.isValidSlackRequest({
            signingSecret: secrets.vendor,
            body,
            headers: { ...headers, 'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']) },
          }),
      },
    ),
    hook(
      'node:crypto, as npm @shopify/shopify-api verifies',
      'shopify',
      /^x-shopify-hmac-sha256: (.+)$/,
      [],
      () => ({ 'x-shopify-hmac-sha256': macOf('sha256', secrets.vendor, json).toString('base64') }),
      {
        agrees: ({ headers, body }) =>
          packages.shopify.validateHmacString({ apiSecretKey }, body!, headers['x-shopify-hmac-sha256']!, 'base64'),
      },
    ),
    ...shopifyQueries(packages, authority),
    ...twilioClients(packages, authority),
  ]
}

function shopifyQueries({ shopify }: Packages, authority: string): Client[] {
  const kinds = [
    ['shopify-oauth', 'admin', 'hmac', { code: '0907a61c', shop: 'some-shop.myshopify.com', state: 'a b/c&d=é*~' }],
    [
      'shopify-proxy',
      'appProxy',
      'signature',
      { shop: 'some-shop.myshopify.com', path_prefix: '/apps/a b', extra: ['1', '2'] },
    ],
  ] as const
  return kinds.map(([route, signator, parameter, fields]) => ({
    who: `npm @shopify/shopify-api, ${signator}`,
    route,
    consumer: `of-${route}`,
    async sign() {
      const asked = { ...fields, timestamp: String(nowSeconds()) }
      const signature = await shopify.generateLocalHmac({ apiSecretKey: secrets.vendor })(
        asked as unknown as Record<string, string | string[]>,
        signator,
      )
      const search = new URLSearchParams()
      for (const [name, value] of Object.entries(asked)) for (const one of [value].flat()) search.append(name, one)
      search.append(parameter, signature)
      return { method: 'GET', target: `/${route}/x?${search.toString()}`, headers: { host: authority }, body: null }
    },
    signature: new RegExp(`[?&]${parameter}=([0-9a-f]+)`),
    headers: [],
    signsTarget: false,
  }))
}

function twilioClients({ twilio }: Packages, authority: string): Client[] {
  const fields = { From: '+15551234', Body: 'für 7 € & mehr', Again: ['b', 'a', 'b'], Empty: '' }
  const client = (what: string, form: boolean, withPort: boolean): Client => ({
    who: `npm twilio, ${what}`,
    route: 'twilio',
    consumer: 'of-twilio',
    sign() {
      const search = new URLSearchParams()
      for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) search.append(name, one)
      const body = form ? search.toString() : json
      const target = `/twilio/call%20me?a=1&b=x%20y${form ? '' : `&bodySHA256=${twilio.getExpectedBodyHash(json)}`}`
      const url = `http://${withPort ? authority : authority.replace(/:\d+$/, '')}${target}`
      const headers = {
        host: authority,
        'content-type': form ? 'application/x-www-form-urlencoded; charset=UTF-8' : 'application/json',
        'x-twilio-signature': twilio.getExpectedTwilioSignature(secrets.vendor, url, form ? fields : {}),
      }
      return Promise.resolve({ method: 'POST', target, headers, body })
    },
    signature: /^x-twilio-signature: (.+)$/,
    // With the port or without: who signs without does not sign it.
    headers: withPort ? ['host'] : [],
    signsTarget: true,
  })
  return [client('a form', true, true), client('a form, without the port', true, false), client('JSON', false, true)]
}
