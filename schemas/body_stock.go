package schemas

import "encoding/json"

// InventoryLevel is the body of inventory_levels/update and connect; of inventory_levels/disconnect the two ids alone.
type InventoryLevel struct {
	InventoryItemID ID     `json:"inventory_item_id"`
	LocationID      ID     `json:"location_id"`
	Available       *int64 `json:"available"` // nil where stock is not tracked or was not sent; it may be negative
	UpdatedAt       Time   `json:"updated_at"`
}

// InventoryItem is the body of inventory_items/create and update; of inventory_items/delete the id alone.
type InventoryItem struct {
	ID               ID          `json:"id"`
	SKU              string      `json:"sku"`
	Cost             Money       `json:"cost"`
	Tracked          bool        `json:"tracked"`
	RequiresShipping bool        `json:"requires_shipping"`
	CountryOfOrigin  string      `json:"country_code_of_origin"`
	HarmonizedCode   string      `json:"harmonized_system_code"`
	WeightValue      json.Number `json:"weight_value"`
	WeightUnit       string      `json:"weight_unit"`
	CreatedAt        Time        `json:"created_at"`
	UpdatedAt        Time        `json:"updated_at"`
}

// Location is the body of locations/create, update, activate and deactivate; of locations/delete the id alone.
type Location struct {
	ID           ID     `json:"id"`
	Name         string `json:"name"`
	Address1     string `json:"address1"`
	Address2     string `json:"address2"`
	City         string `json:"city"`
	Zip          string `json:"zip"`
	ProvinceCode string `json:"province_code"`
	CountryCode  string `json:"country_code"`
	Phone        string `json:"phone"`
	Active       bool   `json:"active"`
	Legacy       bool   `json:"legacy"`
	CreatedAt    Time   `json:"created_at"`
	UpdatedAt    Time   `json:"updated_at"`
}

// Product is the body of products/create and update; of products/delete the id alone. Beyond 100 variants the rest is only
// named, in VariantGIDs.
type Product struct {
	ID          ID           `json:"id"`
	Title       string       `json:"title"`
	Handle      string       `json:"handle"`
	BodyHTML    string       `json:"body_html"`
	Vendor      string       `json:"vendor"`
	ProductType string       `json:"product_type"`
	Status      string       `json:"status"`
	Tags        string       `json:"tags"` // separated by commas
	CreatedAt   Time         `json:"created_at"`
	UpdatedAt   Time         `json:"updated_at"`
	PublishedAt Time         `json:"published_at"`
	Variants    []Variant    `json:"variants"`
	VariantGIDs []VariantGID `json:"variant_gids"`
}

// VariantGID names a variant that a product's body leaves out, or lists.
type VariantGID struct {
	ID        ID   `json:"admin_graphql_api_id"`
	UpdatedAt Time `json:"updated_at"`
}

// Variant is the body of variants/in_stock and out_of_stock, and a part of Product.
type Variant struct {
	ID                ID     `json:"id"`
	ProductID         ID     `json:"product_id"`
	InventoryItemID   ID     `json:"inventory_item_id"`
	Title             string `json:"title"`
	SKU               string `json:"sku"`
	Barcode           string `json:"barcode"`
	Price             Money  `json:"price"`
	CompareAtPrice    Money  `json:"compare_at_price"`
	Position          int64  `json:"position"`
	InventoryPolicy   string `json:"inventory_policy"`
	InventoryQuantity int64  `json:"inventory_quantity"`
	Taxable           bool   `json:"taxable"`
	CreatedAt         Time   `json:"created_at"`
	UpdatedAt         Time   `json:"updated_at"`
}
