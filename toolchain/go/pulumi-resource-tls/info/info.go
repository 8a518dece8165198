// Package info maps the resources of the tls provider to Pulumi tokens, for the plug-in and for its generator.
package info

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Version is that of the pulumi-tls SDK which requirements/lab.lock pins.
const Version = "5.2.3"

// Provider describes the plug-in. metadata is the content of bridge-metadata.json.
func Provider(upstream provider.Provider, metadata []byte) tfbridge.ProviderInfo {
	resource := func(token tokens.Type) *tfbridge.ResourceInfo { return &tfbridge.ResourceInfo{Tok: token} }
	dataSource := func(token tokens.ModuleMember) *tfbridge.DataSourceInfo { return &tfbridge.DataSourceInfo{Tok: token} }
	return tfbridge.ProviderInfo{
		P:            pf.ShimProvider(upstream),
		Name:         "tls",
		Version:      Version,
		License:      "Apache-2.0",
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
		Resources: map[string]*tfbridge.ResourceInfo{
			"tls_cert_request":        resource("tls:index/certRequest:CertRequest"),
			"tls_locally_signed_cert": resource("tls:index/locallySignedCert:LocallySignedCert"),
			"tls_private_key":         resource("tls:index/privateKey:PrivateKey"),
			"tls_self_signed_cert":    resource("tls:index/selfSignedCert:SelfSignedCert"),
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"tls_public_key":  dataSource("tls:index/getPublicKey:getPublicKey"),
			"tls_certificate": dataSource("tls:index/getCertificate:getCertificate"),
		},
	}
}
