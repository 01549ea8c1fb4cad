package randomquery

import "strings"

// Query writes a query over the data sets of the corpus. pick(n) gives a number below n.
func Query(pick func(n int) int) string {
	w := writer{pick}
	q := w.statement()
	if pick(6) == 0 {
		q = w.damaged(q)
	}
	return q
}

type writer struct{ pick func(n int) int }

func (w writer) of(list ...string) string { return list[w.pick(len(list))] }

func (w writer) maybe(s string) string {
	if w.pick(2) == 0 {
		return ""
	}
	return s
}

func (w writer) some(most int, one func() string, sep string) string {
	parts := []string{one()}
	for range w.pick(most) {
		parts = append(parts, one())
	}
	return strings.Join(parts, sep)
}

func (w writer) statement() string {
	switch w.pick(8) {
	case 0:
		return "WITH t AS (" + w.release() + ") SELECT *, " + w.of("row_number() OVER (ORDER BY n)", "sum(n) OVER ()", "n / 7", "lag(n) OVER (ORDER BY n)", "coalesce(n, 0)", "nullif(n, 5)") + " AS z FROM t" + w.maybe(" WHERE n > 10")
	case 1:
		return "WITH t AS (" + w.release() + ") SELECT " + w.of("sum(n)", "count(*)", "max(n)", "avg(n)", "min(n)") + " FROM t"
	case 2:
		return "SELECT n FROM (" + w.release() + ") a UNION ALL SELECT n FROM (" + w.release() + ") b" + w.maybe(" ORDER BY n LIMIT 3")
	case 3:
		return "WITH a AS (" + w.release() + "), b AS (" + w.release() + ") SELECT a.n, b.n AS m FROM a " + w.of("JOIN", "LEFT JOIN") + " b ON a.n = b.n"
	case 4:
		return "WITH p AS (SELECT customer_id, " + w.some(2, w.unitSum, ", ") + " FROM pool.loans" + w.maybe(" WHERE "+w.condition()) + " GROUP BY customer_id" + w.maybe(", region") +
			") SELECT " + w.of("count(*)", "sum(x)", "avg(x)", "median(x)", "count_if(x >= 50000)", "stddev(x)", "count(x)") + " AS n FROM p" + w.maybe(" WHERE x < 250000")
	case 5:
		return w.joined()
	}
	return w.release()
}

func (w writer) unitSum() string {
	return w.of("sum(balance)", "sum(rate)", "count(*)", "sum(CASE WHEN "+w.condition()+" THEN balance END)", "count(balance)", "sum(balance * rate)") + " AS x"
}

func (w writer) release() string {
	from := "pool.loans"
	if w.pick(5) == 0 {
		from = "(SELECT *, " + w.key() + " AS z FROM pool.loans" + w.maybe(" WHERE "+w.condition()) + ") x"
	}
	keys := ""
	if w.pick(4) > 0 {
		keys = w.some(2, w.key, ", ")
	}
	sql := "SELECT " + w.aggregate() + " AS n"
	for range w.pick(3) {
		sql += ", " + w.aggregate()
	}
	if keys != "" && w.pick(3) > 0 {
		sql += ", " + w.some(2, w.key, ", ")
	}
	sql += " FROM " + from + w.maybe(" WHERE "+w.condition())
	if keys != "" {
		sql += " GROUP BY " + w.of(keys, keys, keys, "ROLLUP ("+keys+")", "CUBE ("+keys+")", "GROUPING SETS (("+keys+"), ())", "ALL")
	}
	return sql + w.maybe(" HAVING "+w.aggregate()+" > 20")
}

func (w writer) joined() string {
	return "SELECT " + w.of("count(*)", "sum(s.amount)", "count(DISTINCT s.household_id)", "avg(v.impressions)", "count(v.household_id)", "sum(CASE WHEN v.household_id IS NULL THEN s.amount END)") + " AS n" +
		w.maybe(", s.store") + " FROM retailer.sales s " + w.of("JOIN", "LEFT JOIN") + " media.views v " + w.of("ON s.household_id = v.household_id", "USING (household_id)") +
		w.maybe(" WHERE "+w.of("s.amount >= 100", "v.impressions > 3", "v.campaign = 'spring'", "v.household_id IS NULL", "s.day < DATE '2025-03-03'")) + " GROUP BY " + w.of("s.store", "v.campaign", "date_trunc('week', s.day)", "s.store, v.campaign")
}

func (w writer) key() string {
	return w.of("region", "product", "defaulted", "date_trunc('month', opened)", "year(opened)", "upper(region)", "left(product, 2)", "balance >= 10000",
		"CASE WHEN rate < 3 THEN 'low' WHEN rate < 9 THEN 'mid' ELSE 'high' END", "coalesce(region, 'none')", "region || product", "opened", "customer_id", "1 + 1", "loan_id")
}

func (w writer) condition() string {
	one := func() string {
		return w.of("region = 'N'", "product IN ('auto', 'card')", "defaulted", "NOT defaulted", "balance >= 10000", "rate BETWEEN 3 AND 9", "opened >= DATE '2023-01-01'", "region IS NULL",
			"product LIKE 'a%'", "CASE WHEN defaulted THEN balance < 1000 ELSE rate >= 6 END", "upper(region) <> 'S'", "year(opened) = 2023", "region < product", "NULL", "balance = 7", "customer_id = 'x'", "loan_id > 3")
	}
	return w.some(2, one, w.of(" AND ", " OR "))
}

func (w writer) aggregate() string {
	a := w.of("count(*)", "count(*)", "sum(balance)", "avg(rate)", "count(DISTINCT customer_id)", "count(balance)", "count_if("+w.condition()+")", "sum(CASE WHEN "+w.condition()+" THEN balance ELSE 0 END)",
		"avg(CASE WHEN "+w.condition()+" THEN 1 ELSE 0 END)", "median(balance)", "quantile_cont(rate, 0.25)", "stddev(employee_count)", "sum(balance * rate)", "sum(rate * 3)", "count(region)", "count(DISTINCT region)", "max(rate)", "sum(balance + 1)")
	if w.pick(4) == 0 {
		a += " FILTER (WHERE " + w.condition() + ")"
	}
	return w.of(a, a, a, "1.5 * "+a, "round("+a+")", a+" / "+"count(*)", "coalesce("+a+", 0)", "sum("+a+") OVER ()")
}

// damaged leaves out or doubles a word, or exchanges two.
func (w writer) damaged(q string) string {
	words := strings.Fields(q)
	i, j := w.pick(len(words)), w.pick(len(words))
	switch w.pick(3) {
	case 0:
		words[i] = ""
	case 1:
		words[i] += " " + words[j]
	default:
		words[i], words[j] = words[j], words[i]
	}
	return strings.Join(words, " ")
}
