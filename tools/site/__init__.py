"""The workbook as a site: static pages whose pictures move without Python (`make site`)."""
