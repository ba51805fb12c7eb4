"""What a test of nhisync or of a third party's provider needs; shipped in the wheel, outside the layers."""
