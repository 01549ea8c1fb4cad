package secretmode

import "testing"

func TestDo(t *testing.T) {
	ran, active := false, false
	Do(func() { ran, active = true, Active() })
	if !ran || active != (Mode == On) || Active() {
		t.Errorf("ran %v, active %v within, %v after, mode %s", ran, active, Active(), Mode)
	}
}
