// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

func TestCreateVolume(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	create := func(name string, size int64) error {
		_, err := conn.CreateVolume(ctx, name, size, nil)
		return err
	}

	t.Run("fields", func(t *testing.T) {
		v := volume(t, conn, "a", mib)
		pool := must(conn.Pool(ctx, ""))(t)
		if v.Name != "a" || v.Size != mib || v.BlockSize != 512 || v.Blocks != 2048 || !v.Enabled ||
			v.PoolID != pool.ID || v.SystemID != pool.SystemID || v.VPD83 != v.ID ||
			!replicant.ValidVPD83(v.ID) || v.ParentID != "" || v.Provision != replicant.ProvisionThin {
			t.Errorf("%+v", v)
		}
		if age := time.Since(v.Created); age < -time.Second || age > time.Minute {
			t.Error("made", age, "ago")
		}
	})
	t.Run("reads_as_zeros", func(t *testing.T) {
		same(t, "a new volume", content(t, volume(t, conn, "zeros", mib)), make([]byte, mib))
	})
	t.Run("full", func(t *testing.T) {
		v := must(conn.CreateVolume(ctx, "full", mib, &replicant.CreateOptions{Provision: replicant.ProvisionFull}))(t)
		if v.Provision != replicant.ProvisionFull {
			t.Errorf("%+v", v)
		}
	})
	t.Run("size_rounded_up", func(t *testing.T) {
		if v := volume(t, conn, "rounded", 4097); v.Size != 8192 {
			t.Error(v.Size)
		}
	})
	t.Run("size_zero", func(t *testing.T) { refused(t, create("x", 0), replicant.CodeInvalidArgument) })
	t.Run("size_negative", func(t *testing.T) { refused(t, create("x", -1), replicant.CodeInvalidArgument) })
	t.Run("name_empty", func(t *testing.T) { refused(t, create("", mib), replicant.CodeInvalidArgument) })
	t.Run("name_longest", func(t *testing.T) { ok(t, create(strings.Repeat("n", 255), mib)) })
	t.Run("name_too_long", func(t *testing.T) {
		refused(t, create(strings.Repeat("n", 256), mib), replicant.CodeInvalidArgument)
	})
	t.Run("name_not_utf8", func(t *testing.T) {
		refused(t, create("a\xffb", mib), replicant.CodeInvalidArgument)
	})
	t.Run("name_control", func(t *testing.T) {
		for _, c := range []string{"\x01", "\n", "\x7f", "\u0080", "\u009f", "\x00"} {
			refused(t, create("a"+c, mib), replicant.CodeInvalidArgument)
		}
	})
	t.Run("name_printable", func(t *testing.T) {
		for _, name := range []string{"..", "/etc/passwd", `a\b`, `"quoted"`, "it's", "ünï cödé 🐘", "%s%n", "a; DROP TABLE volumes"} {
			v := must(conn.CreateVolume(ctx, name, 4096, nil))(t)
			if found := must(conn.Volume(ctx, name))(t); v.Name != name || found.ID != v.ID {
				t.Errorf("%q: %q, %s, %s", name, v.Name, v.ID, found.ID)
			}
		}
	})
	t.Run("name_conflict", func(t *testing.T) {
		err := create("a", mib)
		refused(t, err, replicant.CodeNameConflict)
		is(t, err, replicant.ErrNameConflict)
		is(t, err, fs.ErrExist)
	})
	t.Run("pool_unknown_is_203", func(t *testing.T) {
		_, err := conn.CreateVolume(ctx, "x", mib, &replicant.CreateOptions{Pool: "nosuch"})
		refused(t, err, replicant.CodeNotFoundPool)
	})
	t.Run("provision_unknown_is_101", func(t *testing.T) {
		_, err := conn.CreateVolume(ctx, "x", mib, &replicant.CreateOptions{Provision: 77})
		refused(t, err, replicant.CodeInvalidArgument)
	})
}

func TestVolumes(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	other := must(conn.CreatePool(ctx, "other", nil))(t)
	a := volume(t, conn, "a", mib)
	b := volume(t, conn, "b", mib)
	too := must(conn.CreateVolume(ctx, "a", mib, &replicant.CreateOptions{Pool: "other"}))(t)
	clone := must(b.Clone(ctx, "b-clone"))(t)

	for name, c := range map[string]struct {
		searches []replicant.Search
		want     []*replicant.Volume
	}{
		"all":             {nil, []*replicant.Volume{a, b, too, clone}},
		"id":              {[]replicant.Search{replicant.By("id", b.ID)}, []*replicant.Volume{b}},
		"name":            {[]replicant.Search{replicant.By("name", "a")}, []*replicant.Volume{a, too}},
		"pool_id":         {[]replicant.Search{replicant.By("pool_id", other.ID)}, []*replicant.Volume{too}},
		"system_id":       {[]replicant.Search{replicant.By("system_id", a.SystemID)}, []*replicant.Volume{a, b, too, clone}},
		"parent_id":       {[]replicant.Search{replicant.By("parent_id", b.ID)}, []*replicant.Volume{clone}},
		"name_in_pool":    {[]replicant.Search{replicant.By("name", "a"), replicant.By("pool_id", other.ID)}, []*replicant.Volume{too}},
		"nothing_is_none": {[]replicant.Search{replicant.By("name", "nosuch")}, nil},
	} {
		t.Run("search_"+name, func(t *testing.T) {
			want := map[string]bool{}
			for _, v := range c.want {
				want[v.ID] = true
			}
			found := must(conn.Volumes(ctx, c.searches...))(t)
			if len(found) != len(want) {
				t.Fatal(len(found))
			}
			for _, v := range found {
				if !want[v.ID] {
					t.Error(v.Name, v.ID)
				}
			}
		})
	}
	t.Run("search_key_unknown_is_510", func(t *testing.T) {
		for _, s := range [][]replicant.Search{
			{replicant.By("colour", "blue")},
			{replicant.By("name", "a"), replicant.By("colour", "blue")},
		} {
			_, err := conn.Volumes(ctx, s...)
			refused(t, err, replicant.CodeUnsupportedSearchKey)
		}
	})
	t.Run("search_value_missing_is_101", func(t *testing.T) {
		_, err := conn.Volumes(ctx, replicant.By("name", ""))
		refused(t, err, replicant.CodeInvalidArgument)
	})
	t.Run("by_name_or_id", func(t *testing.T) {
		for _, key := range []string{"b", b.ID} {
			if v := must(conn.Volume(ctx, key))(t); v.ID != b.ID {
				t.Errorf("%+v", v)
			}
		}
		_, err := conn.Volume(ctx, "a")
		refused(t, err, replicant.CodeInvalidArgument)
		_, err = conn.Volume(ctx, "nosuch")
		refused(t, err, replicant.CodeNotFoundVolume)
		is(t, err, replicant.ErrNotFound)
		_, err = conn.Volume(ctx, "")
		refused(t, err, replicant.CodeInvalidArgument)
	})
}

func TestVolumeVerbs(t *testing.T) {
	conn := connect(t)
	ctx := within(t)

	t.Run("volume_deleted_is_205", func(t *testing.T) {
		v := volume(t, conn, "gone", mib)
		ok(t, v.Delete(ctx))
		err := v.Delete(ctx)
		refused(t, err, replicant.CodeNotFoundVolume)
		is(t, err, replicant.ErrNotFound)
		is(t, err, fs.ErrNotExist)
		_, err = v.Current(ctx)
		refused(t, err, replicant.CodeNotFoundVolume)
		_, err = v.Clone(ctx, "x")
		refused(t, err, replicant.CodeNotFoundVolume)
		_, err = v.Open(ctx)
		refused(t, err, replicant.CodeNotFoundVolume)
		if again := volume(t, conn, "gone", mib); again.ID == v.ID {
			t.Error("an id was used again")
		}
	})
	t.Run("delete_open_volume_is_160", func(t *testing.T) {
		v := volume(t, conn, "open", mib)
		f := open(t, v)
		err := v.Delete(ctx)
		refused(t, err, replicant.CodeIsMasked)
		is(t, err, replicant.ErrInUse)
		ok(t, f.Close())
		ok(t, v.Delete(ctx))
	})
	t.Run("delete_source_of_clone_is_161", func(t *testing.T) {
		v := volume(t, conn, "source", mib)
		if yes := must(v.HasDependents(ctx))(t); yes {
			t.Error("nothing depends on it yet")
		}
		clone := must(v.Clone(ctx, "clone"))(t)
		if yes := must(v.HasDependents(ctx))(t); !yes {
			t.Error("the clone depends on it")
		}
		err := v.Delete(ctx)
		refused(t, err, replicant.CodeHasChildDependency)
		is(t, err, replicant.ErrHasDependents)
		ok(t, clone.Delete(ctx))
		ok(t, v.Delete(ctx))
	})
	t.Run("resize_grows_and_shrinks", func(t *testing.T) {
		v := volume(t, conn, "resize", mib)
		p := noise(1, mib)
		write(t, v, p, 0)
		f := open(t, v)
		grown := must(v.Resize(ctx, 2*mib))(t)
		if grown.Size != 2*mib || grown.ID != v.ID || f.Size() != 2*mib {
			t.Errorf("%+v, %d", grown, f.Size())
		}
		t.Run("shrink_open_is_160", func(t *testing.T) {
			_, err := grown.Resize(ctx, mib)
			refused(t, err, replicant.CodeIsMasked)
		})
		ok(t, f.Close())
		same(t, "grown", content(t, grown), append(p, make([]byte, mib)...))
		shrunk := must(grown.Resize(ctx, mib/2))(t)
		same(t, "shrunk", content(t, shrunk), p[:mib/2])
		same(t, "grown again", content(t, must(shrunk.Resize(ctx, mib))(t)), append(p[:mib/2:mib/2], make([]byte, mib/2)...))
	})
	t.Run("resize_same_size_is_125", func(t *testing.T) {
		v := volume(t, conn, "same", mib)
		_, err := v.Resize(ctx, mib)
		refused(t, err, replicant.CodeNoStateChange)
		is(t, err, replicant.ErrNoChange)
		_, err = v.Resize(ctx, mib-1)
		refused(t, err, replicant.CodeNoStateChange)
	})
	t.Run("resize_zero_is_101", func(t *testing.T) {
		v := volume(t, conn, "to nothing", mib)
		for _, size := range []int64{0, -1} {
			_, err := v.Resize(ctx, size)
			refused(t, err, replicant.CodeInvalidArgument)
		}
	})
	t.Run("rename", func(t *testing.T) {
		v := volume(t, conn, "before", mib)
		renamed := must(v.Rename(ctx, "after"))(t)
		if renamed.Name != "after" || renamed.ID != v.ID || v.Name != "before" {
			t.Errorf("%+v", renamed)
		}
		if now := must(v.Current(ctx))(t); now.Name != "after" {
			t.Errorf("%+v", now)
		}
		_, err := v.Rename(ctx, "after")
		refused(t, err, replicant.CodeNoStateChange)
		volume(t, conn, "taken", mib)
		_, err = v.Rename(ctx, "taken")
		refused(t, err, replicant.CodeNameConflict)
		_, err = v.Rename(ctx, "")
		refused(t, err, replicant.CodeInvalidArgument)
	})
	t.Run("enable_and_disable", func(t *testing.T) {
		v := volume(t, conn, "disabled", mib)
		refused(t, v.Enable(ctx), replicant.CodeNoStateChange)
		ok(t, v.Disable(ctx))
		refused(t, v.Disable(ctx), replicant.CodeNoStateChange)
		if now := must(v.Current(ctx))(t); now.Enabled {
			t.Errorf("%+v", now)
		}
		_, err := v.Open(ctx)
		refused(t, err, replicant.CodeReadOnly)
		is(t, err, replicant.ErrReadOnly)
		open(t, v, replicant.ReadOnly)
		ok(t, v.Enable(ctx))
		open(t, v)
	})
	t.Run("tags", func(t *testing.T) {
		v := volume(t, conn, "tagged", mib)
		ok(t, v.SetTag(ctx, "owner", "müller"))
		ok(t, v.SetTag(ctx, "empty", ""))
		now := must(v.Current(ctx))(t)
		for key, want := range map[string]string{"owner": "müller", "empty": ""} {
			if text, there := now.Tag(key); text != want || !there {
				t.Errorf("%s: %q, %v", key, text, there)
			}
		}
		for _, key := range []string{"other", "", "owner\x00"} {
			if text, there := now.Tag(key); there {
				t.Errorf("%q: %q", key, text)
			}
		}
		if _, there := v.Tag("owner"); there {
			t.Error("a record has changed")
		}
		ok(t, v.RemoveTag(ctx, "owner"))
		if _, there := must(v.Current(ctx))(t).Tag("owner"); there {
			t.Error("a removed tag is there")
		}
		refused(t, v.SetTag(ctx, "", "x"), replicant.CodeInvalidArgument)
		refused(t, v.SetTag(ctx, "a\x00", "x"), replicant.CodeInvalidArgument)
		refused(t, v.SetTag(ctx, "a", "x\x00"), replicant.CodeInvalidArgument)
		refused(t, v.SetTag(ctx, "long", strings.Repeat("x", 5000)), replicant.CodeInvalidArgument)
	})
	t.Run("made_by_hand_is_refused", func(t *testing.T) {
		v := &replicant.Volume{ID: "60000000000000000000000000000000"}
		refused(t, v.Delete(ctx), replicant.CodeInvalidArgument)
		_, err := v.Clone(ctx, "x")
		refused(t, err, replicant.CodeInvalidArgument)
		_, err = v.Resize(ctx, mib)
		refused(t, err, replicant.CodeInvalidArgument)
		if _, there := v.Tag("x"); there {
			t.Error("a tag")
		}
	})
}

func TestReopen(t *testing.T) {
	root := t.TempDir()
	conn := reopen(t, root)
	v := volume(t, conn, "kept", mib)
	p := noise(3, mib)
	write(t, v, p, 0)
	clone := must(v.Clone(within(t), "clone"))(t)
	ok(t, conn.Close())

	conn = reopen(t, root)
	again := must(conn.Volume(within(t), "kept"))(t)
	if again.ID != v.ID || again.Size != v.Size || !again.Created.Equal(v.Created) {
		t.Errorf("%+v, %+v", again, v)
	}
	same(t, "after a reopen", content(t, again), p)
	if c := must(conn.Volume(within(t), clone.ID))(t); c.ParentID != v.ID {
		t.Errorf("%+v", c)
	}
	// A record of before is good for a call, too.
	same(t, "its clone", content(t, must(conn.Volume(within(t), "clone"))(t)), p)
}
