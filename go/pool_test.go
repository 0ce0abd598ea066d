// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libreplicant/libreplicant/go"
)

func TestPools(t *testing.T) {
	conn := connect(t)
	ctx := within(t)

	t.Run("pool_default", func(t *testing.T) {
		pools := must(conn.Pools(ctx))(t)
		if len(pools) != 1 || pools[0].Name != "default" || pools[0].ID == "" ||
			pools[0].Status&replicant.PoolOK == 0 || pools[0].TotalSpace <= 0 ||
			pools[0].FreeSpace <= 0 || pools[0].ElementType&replicant.ElementVolume == 0 {
			t.Fatalf("%+v", pools)
		}
		if p := must(conn.Pool(ctx, ""))(t); p.ID != pools[0].ID {
			t.Error(p)
		}
	})
	t.Run("pool_in_the_root", func(t *testing.T) {
		made := must(conn.CreatePool(ctx, "slow", nil))(t)
		for _, key := range []string{"slow", made.ID} {
			if p := must(conn.Pool(ctx, key))(t); p.ID != made.ID || p.Name != "slow" {
				t.Errorf("%+v", p)
			}
		}
		if p := must(conn.Pool(ctx, ""))(t); p.Name != "default" {
			t.Error("of several it is the default one:", p.Name)
		}
		v := must(conn.CreateVolume(ctx, "a", mib, &replicant.CreateOptions{Pool: "slow"}))(t)
		if v.PoolID != made.ID {
			t.Errorf("%+v", v)
		}
		refused(t, conn.DeletePool(ctx, made), replicant.CodeHasChildDependency)
		ok(t, v.Delete(ctx))
		ok(t, conn.DeletePool(ctx, made))
		refused(t, conn.DeletePool(ctx, made), replicant.CodeNotFoundPool)
	})
	t.Run("pool_limit", func(t *testing.T) {
		made := must(conn.CreatePool(ctx, "other", &replicant.CreatePoolOptions{Directory: t.TempDir(), Limit: 4 * mib}))(t)
		if made.TotalSpace != 4*mib {
			t.Errorf("%+v", made)
		}
		_, err := conn.CreateVolume(ctx, "big", 8*mib,
			&replicant.CreateOptions{Pool: "other", Provision: replicant.ProvisionFull})
		refused(t, err, replicant.CodeNotEnoughSpace)
		is(t, err, replicant.ErrNoSpace)
		ok(t, conn.DeletePool(ctx, made))
	})
	t.Run("pool_name_conflict", func(t *testing.T) {
		_, err := conn.CreatePool(ctx, "default", nil)
		refused(t, err, replicant.CodeNameConflict)
	})
	t.Run("pool_names", func(t *testing.T) {
		for _, name := range []string{"", "a/b", ".hidden", "a\x00b", "ä"} {
			_, err := conn.CreatePool(ctx, name, nil)
			refused(t, err, replicant.CodeInvalidArgument)
		}
	})
	t.Run("limit_negative", func(t *testing.T) {
		_, err := conn.CreatePool(ctx, "x", &replicant.CreatePoolOptions{Limit: -1})
		refused(t, err, replicant.CodeInvalidArgument)
	})
	t.Run("pool_unknown_is_203", func(t *testing.T) {
		_, err := conn.Pool(ctx, "nosuch")
		refused(t, err, replicant.CodeNotFoundPool)
		is(t, err, replicant.ErrNotFound)
	})
	t.Run("search_key_unknown_is_510", func(t *testing.T) {
		_, err := conn.Pools(ctx, replicant.By("colour", "blue"))
		refused(t, err, replicant.CodeUnsupportedSearchKey)
	})
	t.Run("search_pools", func(t *testing.T) {
		p := must(conn.Pool(ctx, ""))(t)
		if found := must(conn.Pools(ctx, replicant.By("id", p.ID), replicant.By("system_id", p.SystemID)))(t); len(found) != 1 {
			t.Error(found)
		}
		if found := must(conn.Pools(ctx, replicant.By("id", "nosuch")))(t); len(found) != 0 {
			t.Error(found)
		}
	})
	t.Run("none_given", func(t *testing.T) {
		refused(t, conn.DeletePool(ctx, nil), replicant.CodeInvalidArgument)
		refused(t, conn.DeletePool(ctx, &replicant.Pool{}), replicant.CodeInvalidArgument)
	})
}

func TestPoolCheck(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "source", mib)
	write(t, v, noise(1, mib), 0)
	pool := must(conn.Pool(ctx, ""))(t)

	t.Run("check_of_a_pool_that_is_whole", func(t *testing.T) {
		job := must(conn.CheckPool(ctx, pool))(t)
		if made := must(job.Wait(ctx))(t); made != nil {
			t.Errorf("%+v", made)
		}
		status := must(job.Status(ctx))(t)
		if status.Kind != replicant.JobCheck || status.State != replicant.JobDone ||
			status.BytesDone < mib || status.BytesDone != status.BytesTotal {
			t.Errorf("%+v", status)
		}
	})
	t.Run("check_finds_a_file_missing", func(t *testing.T) {
		path := must(conn.Volume(ctx, "source"))(t).BasePath
		ok(t, os.Remove(path))
		_, err := must(conn.CheckPool(ctx, pool))(t).Wait(ctx)
		is(t, err, replicant.ErrDamaged)
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "«source»") {
			t.Error(err)
		}
	})
	t.Run("check_arguments", func(t *testing.T) {
		_, err := conn.CheckPool(ctx, nil)
		refused(t, err, replicant.CodeInvalidArgument)
	})
}

// One pool of two cannot be opened: the other one is used.
func TestPoolShut(t *testing.T) {
	root := t.TempDir()
	ctx := within(t)
	conn := must(replicant.Connect(ctx, "dir://"+root))(t)
	must(conn.CreatePool(ctx, "other", nil))(t)
	ok(t, conn.Close())
	ok(t, os.WriteFile(filepath.Join(root, "other", "pool.db"), []byte("no catalog"), 0o600))
	conn = must(replicant.Connect(ctx, "dir://"+root))(t)
	defer conn.Close()
	other := must(conn.Pool(ctx, "other"))(t)
	if other.Status != replicant.PoolError || !strings.Contains(other.StatusInfo, "other/pool.db") {
		t.Errorf("%+v", other)
	}
	volume(t, conn, "v", mib)
	_, err := conn.CreateVolume(ctx, "w", mib, &replicant.CreateOptions{Pool: "other"})
	refused(t, err, replicant.CodeDamaged)
	is(t, err, replicant.ErrDamaged)
	_, err = conn.CheckPool(ctx, other)
	is(t, err, replicant.ErrDamaged)
}
