// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"runtime"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// A Capability is what a system may be able to do.
type Capability int32

const (
	CanListVolumes        Capability = creplicant.CAP_VOLUMES
	CanCreateVolume       Capability = creplicant.CAP_VOLUME_CREATE
	CanResizeVolume       Capability = creplicant.CAP_VOLUME_RESIZE
	CanReplicate          Capability = creplicant.CAP_VOLUME_REPLICATE
	CanClone              Capability = creplicant.CAP_VOLUME_REPLICATE_CLONE
	CanCopy               Capability = creplicant.CAP_VOLUME_REPLICATE_COPY
	CanMirrorAsync        Capability = creplicant.CAP_VOLUME_REPLICATE_MIRROR_ASYNC
	CanMirrorSync         Capability = creplicant.CAP_VOLUME_REPLICATE_MIRROR_SYNC
	CanTellRangeBlockSize Capability = creplicant.CAP_VOLUME_COPY_RANGE_BLOCK_SIZE
	CanReplicateRange     Capability = creplicant.CAP_VOLUME_COPY_RANGE
	CanCloneRange         Capability = creplicant.CAP_VOLUME_COPY_RANGE_CLONE
	CanCopyRange          Capability = creplicant.CAP_VOLUME_COPY_RANGE_COPY
	CanDeleteVolume       Capability = creplicant.CAP_VOLUME_DELETE
	CanEnableVolume       Capability = creplicant.CAP_VOLUME_ENABLE
	CanDisableVolume      Capability = creplicant.CAP_VOLUME_DISABLE
	CanMask               Capability = creplicant.CAP_VOLUME_MASK
	CanUnmask             Capability = creplicant.CAP_VOLUME_UNMASK
	CanTellDependents     Capability = creplicant.CAP_VOLUME_CHILD_DEPENDENCY
	CanDeleteDependents   Capability = creplicant.CAP_VOLUME_CHILD_DEPENDENCY_RM
	CanThin               Capability = creplicant.CAP_VOLUME_THIN
	CanSearchPools        Capability = creplicant.CAP_POOLS_QUICK_SEARCH
	CanSearchVolumes      Capability = creplicant.CAP_VOLUMES_QUICK_SEARCH
)

// Capabilities are what a system can do. What it cannot is ErrNotSupported.
type Capabilities struct{ supported [512]bool }

// Supports tells whether the system can.
//
// C: lsm_capability_get.
func (c *Capabilities) Supports(what Capability) bool {
	return what >= 0 && int(what) < len(c.supported) && c.supported[what]
}

// Capabilities tells what a system can do; nil is the first one.
//
// C: lsm_capabilities, lsm_capability_record_free.
func (c *Conn) Capabilities(ctx context.Context, s *System) (*Capabilities, error) {
	s, err := c.system(ctx, s)
	if err != nil {
		return nil, err
	}
	all := &Capabilities{}
	err = c.do(ctx, func(h creplicant.Connect) error {
		var table creplicant.Capabilities
		err := creplicant.Capabilities_get(h, s.record.get(), &table)
		runtime.KeepAlive(s.record)
		if err != nil {
			return err
		}
		defer creplicant.Capability_record_free(table)
		for i := range all.supported {
			all.supported[i] = creplicant.Capability_get(table, int32(i)) == creplicant.CAP_SUPPORTED
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
