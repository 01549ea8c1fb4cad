// Package watch keeps figures of an exchange for Prometheus, and sends traces of its calls by OTLP.
//
// Sees in clear: routes, methods, statuses, times, numbers. Never sees: who calls, paths, names, digests, keys, values.
// Trusts: nobody.
// If it fails: figures or traces are missing, and the exchange goes on. If it is wrong: an operator looks at the wrong figure.
// Spec: docs/operating.md.
package watch
