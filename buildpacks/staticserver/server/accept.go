package server

import (
	"strconv"
	"strings"
)

// choose gives the best content coding among those available that an Accept-Encoding header allows (RFC 9110 §12.5.3);
// "" for none.
func choose(header string, available map[string]int64) Coding {
	if header == "" || len(available) == 0 {
		return Coding{}
	}
	best, bestQ := Coding{}, 0.0
	for _, c := range Codings() {
		if _, ok := available[c.Name]; !ok {
			continue
		}
		if q := quality(header, c.Name); q > bestQ {
			best, bestQ = c, q
		}
	}
	return best
}

// quality gives the weight of a value in an Accept header, 0 when it is not allowed.
func quality(header, value string) float64 {
	other := 0.0
	for element := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(element, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q := 1.0
		for p := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				parsed, err := strconv.ParseFloat(v, 64)
				if err != nil || parsed < 0 || parsed > 1 {
					parsed = 0
				}
				q = parsed
			}
		}
		switch name {
		case value:
			return q
		case "*":
			other = q
		}
	}
	return other
}
