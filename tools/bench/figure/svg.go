package figure

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"math"
)

// What plots are drawn with. They are of fixed size and of one colour for what meets its goal, another for what does not.
const (
	width     = 760.0
	left      = 250.0 // where names end
	right     = 70.0  // room for numbers
	rowHeight = 22.0
	top       = 44.0
	bottom    = 34.0

	colourMet    = "#2f6f9f"
	colourMissed = "#c2571a"
	colourPlain  = "#888888"
)

type canvas struct{ bytes.Buffer }

func newCanvas(height float64, title string) *canvas {
	c := &canvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(c, `<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n")
	c.text(12, 22, "start", title, ` font-size="14" font-weight="bold"`)
	return c
}

func (c *canvas) text(x, y float64, anchor, s, more string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#222222"%s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(s))
}

func (c *canvas) segment(x1, y1, x2, y2 float64, colour, more string) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"%s/>`+"\n", x1, y1, x2, y2, colour, more)
}

func (c *canvas) end() []byte {
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// Bars draws a bar for each figure, its quartiles, and its goal as a short line.
func Bars(title string, figures []*Figure) []byte {
	most := 0.0
	for _, f := range figures {
		most = max(most, f.Value, f.High, f.Goal.AtMost, f.Goal.AtLeast)
	}
	step := nice(most)
	most = step * math.Ceil(most/step)
	height := top + rowHeight*float64(len(figures)) + bottom
	c := newCanvas(height, title)
	at := func(v float64) float64 { return left + (width-left-right)*v/most }
	for v := 0.0; v <= most+step/2; v += step {
		c.segment(at(v), top-6, at(v), height-bottom, "#dddddd", "")
		c.text(at(v), height-bottom+16, "middle", fmt.Sprintf("%g", math.Round(v*1e6)/1e6), "")
	}
	for i, f := range figures {
		c.bar(f, top+rowHeight*float64(i), at)
	}
	return c.end()
}

func (c *canvas) bar(f *Figure, y float64, at func(float64) float64) {
	middle := y + rowHeight/2
	c.text(left-8, middle+4, "end", f.Name, "")
	if f.Failed != "" {
		c.text(at(0)+4, middle+4, "start", "FAIL", ` fill-opacity="0.7"`)
		return
	}
	colour := colourMet
	if f.Missed {
		colour = colourMissed
	}
	fmt.Fprintf(c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", at(0), y+4, at(f.Value)-at(0), rowHeight-8, colour)
	c.segment(at(f.Low), middle, at(f.High), middle, "#222222", "")
	for _, goal := range []float64{f.Goal.AtMost, f.Goal.AtLeast} {
		if goal > 0 {
			c.segment(at(goal), y+1, at(goal), y+rowHeight-1, "#000000", ` stroke-width="2"`)
		}
	}
	c.text(at(max(f.Value, f.High))+5, middle+4, "start", number(f.Unit, f.Value), "")
}

// nice is a step of 1, 2 or 5 times a power of ten that divides a range into four to ten.
func nice(most float64) float64 {
	if most <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(most)))
	for _, k := range []float64{0.1, 0.2, 0.5, 1} {
		if most/(k*p) <= 10 {
			return k * p
		}
	}
	return p
}

// Series draws both sides of figures over X, both axes by powers of ten. Figures without X are left out.
func Series(title, x string, figures []*Figure) ([]byte, error) {
	var points []*Figure
	for _, f := range figures {
		if f.X > 0 && f.A > 0 && f.B > 0 {
			points = append(points, f)
		}
	}
	if len(points) < 2 {
		return nil, errors.New("a series needs two points")
	}
	xs, ys := span{}, span{}
	for _, f := range points {
		xs.take(f.X)
		ys.take(f.A)
		ys.take(f.B)
	}
	const height, edge = 360.0, 70.0
	atX := func(v float64) float64 { return edge + (width-2*edge)*xs.part(v) }
	atY := func(v float64) float64 { return height - bottom - 14 - (height-top-bottom-14)*ys.part(v) }
	c := newCanvas(height, title)
	for e := xs.low; e <= xs.high; e++ {
		v := math.Pow(10, float64(e))
		c.segment(atX(v), top, atX(v), height-bottom-14, "#dddddd", "")
		c.text(atX(v), height-bottom+2, "middle", fmt.Sprintf("10^%d", e), "")
	}
	for e := ys.low; e <= ys.high; e++ {
		v := math.Pow(10, float64(e))
		c.segment(edge, atY(v), width-edge, atY(v), "#dddddd", "")
		c.text(edge-8, atY(v)+4, "end", places(v)+" "+points[0].Of, "")
	}
	c.text(width/2, height-12, "middle", x, "")
	c.path("plain", colourPlain, points, atX, atY, func(f *Figure) float64 { return f.B })
	c.path("ours", colourMet, points, atX, atY, func(f *Figure) float64 { return f.A })
	return c.end(), nil
}

func (c *canvas) path(name, colour string, points []*Figure, atX, atY func(float64) float64, of func(*Figure) float64) {
	c.WriteString(`<polyline fill="none" stroke="` + colour + `" stroke-width="2" points="`)
	for i, f := range points {
		if i > 0 {
			c.WriteByte(' ')
		}
		fmt.Fprintf(c, "%.1f,%.1f", atX(f.X), atY(of(f)))
	}
	c.WriteString(`"/>` + "\n")
	for _, f := range points {
		fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", atX(f.X), atY(of(f)), colour)
	}
	last := points[len(points)-1]
	dy := -6.0 // above for ours, below for plain: the two lie close
	if name == "plain" {
		dy = 16
	}
	c.text(atX(last.X)+6, atY(of(last))+dy, "start", name, ` font-weight="bold"`)
}

// span is a range of powers of ten that holds all values taken.
type span struct {
	low, high int
	some      bool
}

func (s *span) take(v float64) {
	l, h := int(math.Floor(math.Log10(v)+1e-9)), int(math.Ceil(math.Log10(v)-1e-9))
	if !s.some {
		s.low, s.high, s.some = l, h, true
	}
	s.low, s.high = min(s.low, l), max(s.high, h)
	if s.low == s.high {
		s.high++
	}
}

func (s *span) part(v float64) float64 {
	return (math.Log10(v) - float64(s.low)) / float64(s.high-s.low)
}
