// The tls plug-in: HashiCorp's tls provider behind Pulumi's Terraform bridge. The official plug-in's module is not to
// be had from the module proxy; this has the same tokens and the schema of the same SDK line (see README.md).
package main

import (
	"context"
	_ "embed"

	"github.com/hashicorp/terraform-provider-tls/shim"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"spanmesh.dev/toolchain/pulumi-resource-tls/info"
)

//go:embed schema.json
var schema []byte

//go:embed bridge-metadata.json
var metadata []byte

func main() {
	provider := info.Provider(shim.New(), metadata)
	pf.Main(context.Background(), "tls", provider, pf.ProviderMetadata{PackageSchema: schema, BridgeMetadata: metadata})
}
