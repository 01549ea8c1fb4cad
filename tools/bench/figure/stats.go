package figure

import (
	"math"
	"slices"
)

// Median of values; 0 of nothing.
func Median(v []float64) float64 { return Quantile(v, 0.5) }

// Quantile interpolates between neighbours. It is 0 of nothing.
func Quantile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	at := p * float64(len(s)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(s)-1)
	return s[low] + (s[high]-s[low])*(at-float64(low))
}

// Spread is the distance of the quartiles over the median.
func Spread(v []float64) float64 {
	m := Median(v)
	if m == 0 {
		return 0
	}
	return (Quantile(v, 0.75) - Quantile(v, 0.25)) / m
}

// geometric mean of positive values; 0 of nothing.
func geometric(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(len(v)))
}

// Slope of a line through the points by least squares; NaN of fewer than two different x.
func Slope(x, y []float64) float64 {
	var mx, my, xx, xy float64
	for i := range x {
		mx += x[i] / float64(len(x))
		my += y[i] / float64(len(x))
	}
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xy += (x[i] - mx) * (y[i] - my)
	}
	return xy / xx
}
