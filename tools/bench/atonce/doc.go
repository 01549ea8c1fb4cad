// Package atonce measures how many jobs a host does in a second while several are asked for at once.
//
// Sees in clear: what the function that it calls sees. Trusts: that function. It is part of the benchmarks and of nothing else.
package atonce
