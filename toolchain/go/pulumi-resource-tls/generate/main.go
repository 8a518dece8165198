// Writes schema.json and bridge-metadata.json of the plug-in: `go run ./generate schema --out .`
package main

import (
	"github.com/hashicorp/terraform-provider-tls/shim"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"spanmesh.dev/toolchain/pulumi-resource-tls/info"
)

func main() {
	tfgen.Main("tls", info.Provider(shim.New(), []byte("{}")))
}
