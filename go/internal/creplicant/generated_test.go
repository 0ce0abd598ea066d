// SPDX-License-Identifier: LGPL-2.1-or-later

package creplicant

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const pinned = "4.5.1" // as in bindings/generate-go.sh

// What is committed is what SWIG makes of the headers now.
func TestGeneratedIsFresh(t *testing.T) {
	script := filepath.Join("..", "..", "..", "bindings", "generate-go.sh")
	if _, err := os.Stat(script); err != nil {
		t.Skip("the headers are not beside the module")
	}
	swig := os.Getenv("SWIG")
	if swig == "" {
		swig = "swig"
	}
	text, err := exec.Command(swig, "-version").Output()
	if err != nil {
		t.Skip("there is no SWIG: ", err)
	}
	version := regexp.MustCompile(`SWIG Version (\S+)`).FindSubmatch(text)
	if version == nil {
		t.Skip("a SWIG that does not tell its version")
	}
	// 4.1.0, Debian's, makes the same but for its version, its prelude and how it initializes.
	alike := func(text []byte) []byte { return text }
	switch v := string(version[1]); v {
	case pinned:
	case "4.1.0":
		alike = func(text []byte) []byte {
			if _, ours, is := bytes.Cut(text, []byte("#include <replicant/replicant.h>")); is {
				text = ours
			}
			text = regexp.MustCompile(`(?m)^ \* Version .*$`).ReplaceAll(text, nil)
			return regexp.MustCompile(` = (\([^()]*\) ?)?0 ;`).ReplaceAll(text, []byte(" ;"))
		}
	default:
		t.Skipf("this is SWIG %s; what is committed was made by %s", v, pinned)
	}
	out := t.TempDir()
	if text, err := exec.Command(script, out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, file := range []string{"creplicant.go", "creplicant_wrap.c"} {
		made, err := os.ReadFile(filepath.Join(out, file))
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(alike(made), alike(committed)) {
			t.Errorf("%s is not what SWIG makes now: run bindings/generate-go.sh with SWIG %s", file, pinned)
		}
	}
	if head, _ := os.ReadFile("creplicant.go"); !strings.HasPrefix(string(head), "// Code generated ") {
		t.Error("creplicant.go does not say that it is generated")
	}
}

// cgo.go has every number of the headers.
func TestConstantsAreAllThere(t *testing.T) {
	headers, _ := filepath.Glob("../../../core/include/replicant/*.h")
	if len(headers) == 0 {
		t.Skip("the headers are not beside the module")
	}
	ours, err := os.ReadFile("cgo.go")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+)\s*= C\.LSM_(\w+)$`).FindAllSubmatch(ours, -1) {
		if string(m[1]) != string(m[2]) {
			t.Errorf("%s is C's %s", m[1], m[2])
		}
		has[string(m[2])] = true
	}
	found := 0
	number := regexp.MustCompile(`(?m)^(?:\s*LSM_(\w+) = -?\d|#define LSM_(\w+) (?:0x)?[0-9])`)
	for _, header := range headers {
		text, err := os.ReadFile(header)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range number.FindAllSubmatch(text, -1) {
			found++
			if name := string(m[1]) + string(m[2]); !has[name] {
				t.Errorf("LSM_%s (%s) is not in cgo.go", name, filepath.Base(header))
			}
		}
	}
	if found != len(has) {
		t.Errorf("cgo.go has %d numbers, the headers %d", len(has), found)
	}
}

// Nothing that Go passes for a handle is believed: it is refused, with an error.
func TestHandlesAreRefused(t *testing.T) {
	four := new([16]uint32) // no record begins so
	four[0] = 0xdeadbeef
	var volumes []Volume
	var volume Volume
	var io VolumeIO
	var job, text string
	var options ReplicateOptions
	for name, call := range map[string]func() error{
		"Volume_list":            func() error { return Volume_list(0, "", "", &volumes) },
		"Volume_create":          func() error { return Volume_create(0, 0, "a", 1, 3, &volume, &job) },
		"Job_cancel":             func() error { return Job_cancel(0, "x") },
		"Volume_io_open":         func() error { return Volume_io_open(0, 0, &io, 0) },
		"Volume_io_pread":        func() error { return Volume_io_pread(0, make([]byte, 10), 0) },
		"Volume_io_pwrite":       func() error { return Volume_io_pwrite(0, make([]byte, 10), 0, 0) },
		"Volume_io_flush":        func() error { return Volume_io_flush(0, 0) },
		"Volume_io_extents":      func() error { _, err := Volume_io_extents(0, 1, 0); return err },
		"Connect_close":          func() error { return Connect_close(0) },
		"Plugin_info_get":        func() error { return Plugin_info_get(0, &text, &text) },
		"Replicate_options_key":  func() error { return Replicate_options_key_set(options, "k") },
		"Volume_tag_set":         func() error { return Volume_tag_set(0, 0, "k", nil) },
		"Volume_group_replicate": func() error { _, _, err := Volume_group_replicate(0, 0, 2, nil, 0); return err },
		"Volume_replicate_range": func() error { _, err := Volume_replicate_range(0, 3, 0, 0, nil); return err },
		"Event_queue_close":      func() error { return Event_queue_close(0) },
	} {
		err := call()
		e, ok := err.(*Error)
		if !ok || e.Code != ERR_INVALID_ARGUMENT || e.Message == "" {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if len(volumes) != 0 || volume != 0 || io != 0 || job != "" || text != "" {
		t.Error("an output was set")
	}
	if Volume_id_get(0) != "" || Volume_number_of_blocks_get(0) != 0 || Job_state_get(0) != JOB_STATE_UNKNOWN ||
		Volume_io_size_get(0) != 0 {
		t.Error("a getter has an answer")
	}
}
