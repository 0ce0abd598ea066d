// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"fmt"
	"testing"

	"github.com/libreplicant/libreplicant/go"
)

func TestNames(t *testing.T) {
	for value, want := range map[fmt.Stringer]string{
		replicant.Clone:              "clone",
		replicant.MirrorAsync:        "async mirror",
		replicant.ReplicationType(9): "ReplicationType(9)",
		replicant.JobDone:            "done",
		replicant.JobUnknown:         "unknown",
		replicant.JobCopy:            "copy",
		replicant.ReplicationInSync:  "in sync",
		replicant.ProvisionThin:      "thin",
		replicant.EventLost:          "lost",
		replicant.EventKind(77):      "EventKind(77)",
	} {
		if value.String() != want {
			t.Errorf("%q, where %q was to be expected", value, want)
		}
	}
}

func TestBy(t *testing.T) {
	for want, s := range map[string]replicant.Search{
		"2":     replicant.By("type", replicant.Clone),
		"4":     replicant.By("state", replicant.JobDone),
		"1":     replicant.By("kind", replicant.JobCopy),
		"6":     replicant.By("state", replicant.ReplicationSplit),
		"a b":   replicant.By("name", "a b"),
		"12345": replicant.By("x", 12345),
	} {
		if s.Value != want {
			t.Errorf("%q, where %q was to be expected", s.Value, want)
		}
	}
}
