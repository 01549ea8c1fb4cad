// Package lake is the seam behind which sealed files lie: objects that are
// written once, read in ranges, and removed. Package folder is the embedded one;
// package laketest holds what every implementation must do.
//
// Sees in clear: paths and sizes of sealed files. Never sees: keys, values.
// Trusts: nobody with the content: readers detect what was changed, since it is sealed.
// If it fails: the call fails, and a file that was being written is not there. If it is wrong: files are lost or
// mixed up, and their readers refuse them.
// Spec: docs/spec/exchange-api.md, section 5.
package lake
