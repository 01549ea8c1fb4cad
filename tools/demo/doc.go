// Command demo runs the main job on real input: eighteen airlines, a safety
// institute, an exchange and a host, each a process of its own, and the attacks
// that must fail. It talks to them as a person would, through the cordon binary;
// only the attacks use more, as an attacker would.
//
// Sees in clear: the demo's CSV, and what the commands print.
// Trusts: nothing: tools/democheck checks what it leaves in out/.
// If it fails: the demo stops with the step that failed. If it is wrong: democheck says so.
// Spec: examples/birdstrikes/README.md.
package main
