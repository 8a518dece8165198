// Package shim opens the tls provider's internal package to the plug-in.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	tls "github.com/hashicorp/terraform-provider-tls/internal/provider"
)

// New returns the tls provider.
func New() provider.Provider { return tls.New() }
