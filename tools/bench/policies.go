package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

const bigLattice = "[[l_returnflag], [l_linestatus]]"

// noBins finds what only queries without a lattice may use.
var noBins = regexp.MustCompile(`, bins: \[[^]]*\]`)

// lineitemPolicy counts rows as units, with a lattice, or without one for jobs; lineitem_orders and lineitem_joined count orders, without one.
func (w *world) lineitemPolicy(dataset string) string {
	unit, unitColumn := "{column: line, rows_are_units: true}", "line"
	switch dataset {
	case "lineitem_orders":
		unit, unitColumn = "{column: l_orderkey}", "l_orderkey"
	case "lineitem_joined":
		unit, unitColumn = orderUnit("l_orderkey"), "l_orderkey"
	}
	text := w.policy(dataset, unit, fmt.Sprintf(`
  %s: {roles: [unit]}
  l_returnflag: {roles: [dimension, filter], values: [A, "N", R]}
  l_linestatus: {roles: [dimension, filter], values: [F, O]}
  l_shipdate: {roles: [dimension, filter]}
  l_quantity: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000], scale: 2, bins: [24]}
  l_extendedprice: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000000], scale: 2}
  l_discount: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1], scale: 2, bins: [0.05, 0.07]}
  l_tax: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1], scale: 2}`, unitColumn),
		"guard-free", "")
	switch dataset {
	case "lineitem", "lineitem_cells":
		return latticeOf(text)
	case "lineitem_joined":
		return text + joinedWith(owners()[1]+".orders_joined", "l_orderkey")
	case "lineitem_jobs":
		return strings.ReplaceAll(text, "[count, sum, avg]", "[count, sum, avg, median, quantile_cont]")
	}
	return text
}

// ordersPolicy lets orders be joined to their lines.
func (w *world) ordersPolicy(dataset string) string {
	return w.policy(dataset, orderUnit("o_orderkey"), `
  o_orderkey: {roles: [unit]}
  o_orderpriority: {roles: [dimension, filter], values: [1-URGENT, 2-HIGH, 3-MEDIUM, 4-NOT SPECIFIED, 5-LOW]}`, "guard-free", "") +
		joinedWith(owners()[0]+".lineitem_joined", "o_orderkey")
}

func orderUnit(column string) string { return "{column: " + column + ", domain: order}" }

func joinedWith(dataset, column string) string {
	return "joins: [{with: " + dataset + ", on: [" + column + "], kind: [inner], trust: partner-honest}]\n"
}

// tinyPolicy is that of a pool of three owners.
func (w *world) tinyPolicy() string {
	var from []string
	for _, name := range owners() {
		from = append(from, w.prints[name])
	}
	return w.policy("tiny", "{column: line, rows_are_units: true}", `
  line: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Medium, Small]}
  cost: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000], scale: 0}`,
		"{lattice: [[size]]}", "\n  contributors: {min: 3, max_share_pct: 60, p_percent: 5, from: ["+strings.Join(from, ", ")+"]}\n  coalition: 1")
}

func (w *world) policy(dataset, unit, columns, output, contributors string) string {
	now := time.Now().UTC()
	until := now.AddDate(0, 1, 0).Format(time.DateOnly)
	return fmt.Sprintf(`policy: 1
dataset: %s
unit: %s
columns:%s
output: %s
guard:
  min_units: 10%s
  rounding: {count: %d, value_digits: %d}
purposes: [%s]
analysts: [%s]
operators: [%s]
evidence: {accept: [simulated], builds: ["%s"], perimeters: [%s]}
valid: {from: %s, until: %s}
max_queries: {per_analyst: 100000, period: 30d}
standing: [{analysts: [%s], purposes: [%s], until: %s, max_contracts: 9}]
`, dataset, unit, columns, output, contributors, roundCount, valueDigits, purpose, w.prints[analyst], w.host.Operator, w.host.Build, w.host.Form,
		now.AddDate(0, 0, -1).Format(time.DateOnly), until, w.prints[analyst], purpose, until)
}
