// Package exchange is the place in the middle: catalog, mailboxes, job queue and
// lake, over HTTP. It checks who calls, who signed what, and who may see it.
//
// Sees in clear: names, schemas, policies, prices, sizes, times, which objects are read, signatures.
// Never sees: keys, values, results, SQL; all of that passes sealed.
// Trusts: nobody. Nobody needs to trust it for more than to be there: what it hands out is signed or sealed end to end.
// If it fails: calls end with a clear error, and what it confirmed as durable is still there. If it is wrong: parties
// are not served, or see names and sizes that do not concern them; no key opens.
// Spec: docs/spec/exchange-api.md.
package exchange
