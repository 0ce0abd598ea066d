// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"runtime"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// A Volume is a block device: as it was when it was read, and what can be done to it. It never
// changes by itself; verbs that change something return the new one, and Current reads it again.
//
// C: lsm_volume_id_get, lsm_volume_name_get, lsm_volume_vpd83_get, lsm_volume_system_id_get,
// lsm_volume_pool_id_get, lsm_volume_block_size_get, lsm_volume_number_of_blocks_get,
// lsm_volume_admin_state_get, lsm_volume_provision_get, lsm_volume_allocated_bytes_get,
// lsm_volume_exclusive_bytes_get, lsm_volume_depth_get, lsm_volume_parent_id_get,
// lsm_volume_created_ms_get, lsm_volume_base_path_get, lsm_volume_record_free.
type Volume struct {
	ID             string // never used again
	Name           string // unique in its pool
	VPD83          string // by which operating systems know the device
	SystemID       string
	PoolID         string
	Size           int64 // bytes
	BlockSize      int64 // bytes
	Blocks         int64
	Enabled        bool // may be written
	Provision      Provision
	AllocatedBytes int64 // what all of its layers take
	ExclusiveBytes int64 // what it alone takes, and a delete would free
	Depth          int   // layers that its data is in; 1: a plain one
	ParentID       string
	Created        time.Time
	BasePath       string // the raw image, to be read only; "" while it has layers

	conn   *Conn
	record *record[creplicant.Volume]
}

func (c *Conn) newVolume(h creplicant.Volume) *Volume {
	v := &Volume{
		ID:             creplicant.Volume_id_get(h),
		Name:           creplicant.Volume_name_get(h),
		VPD83:          creplicant.Volume_vpd83_get(h),
		SystemID:       creplicant.Volume_system_id_get(h),
		PoolID:         creplicant.Volume_pool_id_get(h),
		BlockSize:      signed(creplicant.Volume_block_size_get(h)),
		Blocks:         signed(creplicant.Volume_number_of_blocks_get(h)),
		Enabled:        creplicant.Volume_admin_state_get(h) == creplicant.VOLUME_ADMIN_STATE_ENABLED,
		Provision:      Provision(creplicant.Volume_provision_get(h)),
		AllocatedBytes: signed(creplicant.Volume_allocated_bytes_get(h)),
		ExclusiveBytes: signed(creplicant.Volume_exclusive_bytes_get(h)),
		Depth:          int(creplicant.Volume_depth_get(h)),
		ParentID:       creplicant.Volume_parent_id_get(h),
		Created:        instant(creplicant.Volume_created_ms_get(h)),
		BasePath:       creplicant.Volume_base_path_get(h),
		conn:           c,
		record:         keep(h, creplicant.Volume_record_free),
	}
	v.Size = v.Blocks * v.BlockSize
	return v
}

// do makes one C call about the volume.
func (v *Volume) do(ctx context.Context, call func(h creplicant.Connect, volume creplicant.Volume) error) error {
	defer runtime.KeepAlive(v.record)
	return v.conn.do(ctx, func(h creplicant.Connect) error { return call(h, v.record.get()) })
}

// Volumes lists volumes: all, or those that every search finds. The target of a job is not among
// them before it is usable.
//
// C: lsm_volume_list.
func (c *Conn) Volumes(ctx context.Context, searches ...Search) ([]*Volume, error) {
	return listed(searches, func(v *Volume) string { return v.ID }, func(s Search) ([]*Volume, error) {
		var records []creplicant.Volume
		err := c.do(ctx, func(h creplicant.Connect) error {
			return creplicant.Volume_list(h, s.Key, s.Value, &records)
		})
		return each(records, c.newVolume), err
	})
}

// Volume finds a volume by its id or its name. A name that several pools have is
// ErrInvalidArgument: Volumes(ctx, By("name", …), By("pool_id", …)) tells them apart.
func (c *Conn) Volume(ctx context.Context, nameOrID string) (*Volume, error) {
	if nameOrID == "" {
		return nil, invalid("the name is empty")
	}
	for _, key := range []string{"id", "name"} {
		found, err := c.Volumes(ctx, By(key, nameOrID))
		switch {
		case err != nil:
			return nil, err
		case len(found) > 1:
			return nil, invalid("%d volumes are named %q, in different pools", len(found), nameOrID)
		case len(found) == 1:
			return found[0], nil
		}
	}
	return nil, refusal(CodeNotFoundVolume, nameOrID, "no volume is named %q, or has that id", nameOrID)
}

// CreateOptions are wishes about a volume.
type CreateOptions struct {
	Pool      string    // its name or id; "": as in Conn.Pool
	Provision Provision // 0: as the backend prefers
}

// CreateVolume makes a volume that reads as zeros. Its size, in bytes, is rounded up to 4 KiB.
//
// C: lsm_volume_create.
func (c *Conn) CreateVolume(ctx context.Context, name string, size int64, opts *CreateOptions) (*Volume, error) {
	o := CreateOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Provision == 0 {
		o.Provision = ProvisionDefault
	}
	n, err := unsigned("the size", size)
	if err != nil {
		return nil, err
	}
	pool, err := c.Pool(ctx, o.Pool)
	if err != nil {
		return nil, err
	}
	var made creplicant.Volume
	var job string
	err = c.do(ctx, func(h creplicant.Connect) error {
		err := creplicant.Volume_create(h, pool.record.get(), name, n, int32(o.Provision), &made, &job)
		runtime.KeepAlive(pool.record)
		return err
	})
	return c.volume(ctx, made, job, err)
}

// volume is what a call has made, at once or as a job that is waited for.
func (c *Conn) volume(ctx context.Context, made creplicant.Volume, job string, err error) (*Volume, error) {
	switch {
	case err != nil:
		return nil, err
	case made != 0:
		return c.newVolume(made), nil
	default:
		return c.job(ctx, job).Wait(ctx)
	}
}

// finish waits for a job, if there is one.
func (c *Conn) finish(ctx context.Context, job string, err error) error {
	if err != nil || job == "" {
		return err
	}
	_, err = c.job(ctx, job).Wait(ctx)
	return err
}

// Current is the volume as it is now.
func (v *Volume) Current(ctx context.Context) (*Volume, error) {
	found, err := v.conn.Volumes(ctx, By("id", v.ID))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refusal(CodeNotFoundVolume, v.ID, "there is no volume %s any more", v.ID)
	}
	return found[0], nil
}

// Resize changes the volume's size. What is cut off is lost; what is added reads as zeros. It may
// grow while it is open, and those who have it open see it.
//
// C: lsm_volume_resize.
func (v *Volume) Resize(ctx context.Context, size int64) (*Volume, error) {
	n, err := unsigned("the size", size)
	if err != nil {
		return nil, err
	}
	var made creplicant.Volume
	var job string
	err = v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_resize(h, volume, n, &made, &job)
	})
	return v.conn.volume(ctx, made, job, err)
}

// Rename gives the volume another name. Its id stays.
//
// C: lsm_volume_rename.
func (v *Volume) Rename(ctx context.Context, name string) (*Volume, error) {
	var made creplicant.Volume
	err := v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_rename(h, volume, name, &made)
	})
	if err != nil {
		return nil, err
	}
	return v.conn.newVolume(made), nil
}

// Delete deletes the volume and what it holds. An open one is ErrInUse, one that something depends
// on ErrHasDependents. A mirror's target takes the replication with it.
//
// C: lsm_volume_delete.
func (v *Volume) Delete(ctx context.Context) error {
	var job string
	err := v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_delete(h, volume, &job)
	})
	return v.conn.finish(ctx, job, err)
}

// Enable lets a disabled volume be written again.
//
// C: lsm_volume_enable.
func (v *Volume) Enable(ctx context.Context) error { return v.do(ctx, creplicant.Volume_enable) }

// Disable keeps the volume from being written, until it is enabled: ErrReadOnly.
//
// C: lsm_volume_disable.
func (v *Volume) Disable(ctx context.Context) error { return v.do(ctx, creplicant.Volume_disable) }

// HasDependents tells whether a clone stands on the volume, it is a mirror's source, or a running
// job reads it.
//
// C: lsm_volume_child_dependency.
func (v *Volume) HasDependents(ctx context.Context) (bool, error) {
	var yes uint8
	err := v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_child_dependency(h, volume, &yes)
	})
	return yes != 0, err
}

// DeleteDependents makes whatever depends on the volume independent of it: clones get their own
// copy of what they share, mirrors are broken.
//
// C: lsm_volume_child_dependency_delete.
func (v *Volume) DeleteDependents(ctx context.Context) (*Job, error) {
	var job string
	err := v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_child_dependency_delete(h, volume, &job)
	})
	if err != nil {
		return nil, err
	}
	return v.conn.job(ctx, job), nil
}

// Tag is the text of a tag, as it was when the volume was read, and whether it was there.
//
// C: lsm_volume_tag_get.
func (v *Volume) Tag(key string) (string, bool) {
	defer runtime.KeepAlive(v.record)
	return creplicant.Volume_tag_get(v.record.get(), key)
}

// SetTag keeps a text with the volume: at most 64, of 4 KiB together. v itself does not change.
//
// C: lsm_volume_tag_set.
func (v *Volume) SetTag(ctx context.Context, key, value string) error {
	return v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_tag_set(h, volume, key, &value)
	})
}

// RemoveTag removes a tag.
//
// C: lsm_volume_tag_set.
func (v *Volume) RemoveTag(ctx context.Context, key string) error {
	return v.do(ctx, func(h creplicant.Connect, volume creplicant.Volume) error {
		return creplicant.Volume_tag_set(h, volume, key, nil)
	})
}
