package engine

// Code says at which stage a job failed, and nothing else: an error that leaves the enclave is data that leaves it.
type Code string

// The stages. Only CodeInput and CodeRun can depend on data.
const (
	CodeSetup Code = "setup" // the database could not be opened, hardened or locked
	CodePlan  Code = "plan"  // the plan does not fit the sources, or cannot be run
	CodeCheck Code = "check" // a fail-closed check of the generated SQL disagreed; an alarm
	CodeInput Code = "input" // a source is not what its owner offered: columns, types, bounds, domain
	CodeRun   Code = "run"   // anything after that: memory, time, overflow, size
)

// Error is the only error of this package. It carries no text of DuckDB, which quotes values and partial sums.
type Error struct{ Code Code }

func (e Error) Error() string { return "engine failed at stage " + string(e.Code) }

// at names the stage of a failure and drops what the failure said.
func at(code Code, err error) error {
	if err == nil {
		return nil
	}
	return Error{code}
}
