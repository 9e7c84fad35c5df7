package parley

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Skeleton gives a form that is equal for names that look alike (UTS 39 §4). It is
// for comparing, never for showing. A new name whose key is nobody's, but whose
// skeleton is that of another name, imitates it.
//
// Other than UTS 39 alone:
//
//   - It is made from the name as shown, since that is what people see: aIice
//     imitates alice, although its key is aiice. Case is folded last, so that 0 is
//     like O and o, and I, l, 1 and | are alike, but i is not.
//   - m is not like rn. It is in UTS 39, but would refuse honest names. The table has
//     no other ASCII character that is like several.
//   - A dot over i, j or l, and a mark repeated, count for nothing: the former is
//     drawn with the letter's own dot, the latter upon itself.
//
// Equal keys do not imply equal skeletons: ALICE has that of AL1CE, alice has not. Since
// the spellings of one name are one name, a name is compared in two of them: as
// shown, and folded (FoldedSkeleton). Two names look alike when any of the one's
// skeletons is one of the other's. Keys are compared first, and an equal one is the
// same name. Whoever indexes skeletons removes them by the spelling that they were
// added with.
func (n Name) Skeleton() string { return skeleton(n.shown) }

// FoldedSkeleton is the Skeleton of the name as it is compared: BI1 looks like bil,
// because it is the name bi1.
func (n Name) FoldedSkeleton() string { return skeleton(n.key) }

// lookalike is a row of the generated table: from looks like to.
type lookalike struct {
	from rune
	to   string
}

// skeleton is Name.Skeleton for a string.
func skeleton(shown string) string {
	if !isASCII(shown) {
		return fullSkeleton(shown)
	}
	table := asciiSkeletons()
	b := make([]byte, len(shown))
	for i := range b {
		b[i] = table[shown[i]]
	}
	return string(b)
}

// asciiSkeletons are those of the ASCII characters: the skeleton of an ASCII name
// is a row of them.
var asciiSkeletons = sync.OnceValue(func() *[utf8.RuneSelf]byte {
	var table [utf8.RuneSelf]byte
	for c := range table {
		table[c] = fullSkeleton(string(rune(c)))[0]
	}
	return &table
})

// fullSkeleton is skeleton for any string.
func fullSkeleton(shown string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(width.Fold.String(shown)) {
		i, found := slices.BinarySearchFunc(lookalikes[:], r, func(l lookalike, r rune) int { return cmp.Compare(l.from, r) })
		if found {
			b.WriteString(lookalikes[i].to)
		} else {
			b.WriteRune(r)
		}
	}
	visible := dropHidden(norm.NFD.String(b.String()))
	return norm.NFD.String(strings.Map(unicode.ToLower, visible))
}

// dropHidden takes out of a mapped, decomposed name the marks that are not seen.
func dropHidden(s string) string {
	const dotAbove = 0x0307
	var b strings.Builder
	var last rune
	dotted := false // the letter to which the marks belong has a dot, or is like one that has
	for _, r := range s {
		if !unicode.Is(unicode.Mn, r) {
			dotted = r == 'l' || unicode.Is(unicode.Soft_Dotted, r)
		} else if r == last || dotted && r == dotAbove {
			continue
		}
		last = r
		b.WriteRune(r)
	}
	return b.String()
}

// reservedSkeletons are those of the reserved names, in lower case and in
// capitals: N1CKSERV imitates NICKSERV.
var reservedSkeletons = sync.OnceValue(func() map[string]bool {
	skeletons := make(map[string]bool)
	for _, word := range reserved {
		skeletons[skeleton(word)] = true
		skeletons[skeleton(strings.ToUpper(word))] = true
	}
	return skeletons
})

// isReserved says whether a name is reserved or looks like one that is.
func isReserved(n Name) bool {
	return slices.Contains(reserved[:], n.key) || reservedSkeletons()[skeleton(n.shown)]
}

// together are the scripts that may be in one name besides any single one:
// those of Japanese, of Taiwan's Chinese and of Korean, each with Latin (UTS 39
// §5.2, "highly restrictive").
var together = [...][]*unicode.RangeTable{
	{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Latin, unicode.Han, unicode.Bopomofo},
	{unicode.Latin, unicode.Han, unicode.Hangul},
}

// checkMixing refuses a name whose scripts do not go together (UTS 39 §5.2) or
// that has decimal digits of several systems (UTS 39 §5.3). Package unicode
// knows one script of a character, and not the others of its extensions, so that
// the few letters common to some scripts pass beside all.
func checkMixing(s string) error {
	if isASCII(s) {
		return nil
	}
	var scripts []*unicode.RangeTable
	var zero rune // of the digits seen
	for _, r := range s {
		if z := digitZero(r); z != 0 && zero != 0 && z != zero {
			return badName("the digit %s belongs to another system than those before it; use digits of one system", describe(r))
		} else if z != 0 {
			zero = z
		}
		script := scriptOf(r, scripts)
		if script == nil || slices.Contains(scripts, script) {
			continue
		}
		if scripts = append(scripts, script); !goTogether(scripts) {
			return badName("%s is of another script than the letters before it; use letters of one script", describe(r))
		}
	}
	return nil
}

// goTogether says whether scripts may be in one name.
func goTogether(scripts []*unicode.RangeTable) bool {
	if len(scripts) == 1 {
		return true
	}
	return slices.ContainsFunc(together[:], func(allowed []*unicode.RangeTable) bool {
		return !slices.ContainsFunc(scripts, func(s *unicode.RangeTable) bool { return !slices.Contains(allowed, s) })
	})
}

// scriptOf gives the script of a character, nil for one that belongs to none. It
// looks among the likely ones first, for there are more than 160.
func scriptOf(r rune, likely []*unicode.RangeTable) *unicode.RangeTable {
	if unicode.In(r, unicode.Common, unicode.Inherited) {
		return nil
	}
	if unicode.Is(unicode.Latin, r) {
		return unicode.Latin
	}
	for _, script := range likely {
		if unicode.Is(script, r) {
			return script
		}
	}
	for _, script := range unicode.Scripts {
		if unicode.Is(script, r) {
			return script
		}
	}
	return nil
}

// digitZero gives the zero of the system that a decimal digit belongs to, 0 for
// any other character. The ranges of Nd are made of whole systems.
func digitZero(r rune) rune {
	if !unicode.Is(unicode.Nd, r) {
		return 0
	}
	for _, digits := range unicode.Nd.R16 {
		if rune(digits.Lo) <= r && r <= rune(digits.Hi) {
			return r - (r-rune(digits.Lo))%10
		}
	}
	for _, digits := range unicode.Nd.R32 {
		if rune(digits.Lo) <= r && r <= rune(digits.Hi) {
			return r - (r-rune(digits.Lo))%10
		}
	}
	return 0
}
