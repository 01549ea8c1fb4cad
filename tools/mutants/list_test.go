package main

import "testing"

// Every mutant of the list can be made: its text stands once where it says. Whether its test notices is for `make mutants`.
func TestList(t *testing.T) {
	t.Chdir("../..")
	list, err := read("tools/mutants/mutants.yaml")
	if err != nil || len(list) == 0 {
		t.Fatalf("%d mutants: %v", len(list), err)
	}
	dir, names := t.TempDir(), map[string]bool{}
	for _, m := range list {
		if m.Name == "" || m.Package == "" || m.Test == "" || m.Find == m.Replace {
			t.Errorf("%s: something is missing, or it changes nothing", m.Name)
		}
		if names[m.Name] {
			t.Errorf("%s: two have this name", m.Name)
		}
		names[m.Name] = true
		if _, err := m.overlay(dir); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}
