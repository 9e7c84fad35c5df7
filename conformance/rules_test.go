package conformance

import (
	"os"
	"regexp"
	"testing"
)

// TestEveryStoryBelongsToARule compares stories, rules and the protocol pages.
func TestEveryStoryBelongsToARule(t *testing.T) {
	stories, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	pages := ""
	for _, page := range []string{"../docs/protocol-text.md", "../docs/protocol-line.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		pages += string(text)
	}
	type side struct {
		rule      int
		extension bool
	}
	told := map[side]bool{}
	for _, s := range stories {
		i, ok := ruleOf(s)
		if !ok {
			t.Errorf("%s: there is no rule for clause %q", s, s.Clause)
			continue
		}
		told[side{i, s.Extension}] = true
	}
	for i, r := range ruleTexts {
		if !regexp.MustCompile(`(?m)^(## )?` + regexp.QuoteMeta(r.clause) + ` `).MatchString(pages) {
			t.Errorf("no protocol page has a clause %s", r.clause)
		}
		if section(r.clause) == "" {
			t.Errorf("clause %s stands under no heading", r.clause)
		}
		for _, extension := range []bool{false, true} {
			switch titled := r.title(extension) != ""; {
			case titled && !told[side{i, extension}]:
				t.Errorf("rule %s %q has no story", r.clause, r.title(extension))
			case !titled && told[side{i, extension}]:
				t.Errorf("rule %s has stories and no title (extension: %t)", r.clause, extension)
			}
		}
	}
}
