//go:build linux

package main

// #include <stdlib.h>
// #include <stdio.h>
// static void say_and_abort(void) { fprintf(stderr, "canary-in-c\n"); printf("canary-in-c\n"); fflush(stdout); abort(); }
// static void say_and_fault(void) { fprintf(stderr, "canary-in-c\n"); *(volatile int *)8 = 1; }
import "C"

// abortInC ends the process as a failed assertion of the engine would.
func abortInC() { C.say_and_abort() }

// faultInC ends the process as a flaw of the engine would.
func faultInC() { C.say_and_fault() }
